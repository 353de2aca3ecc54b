//! The only error a face sees, and what a command answers with.

use tinyforge_core::control::commands::Command;
pub use tinyforge_core::control::shapes::ApiError;

/// What a command of the list answers.
pub type Answer<C> = Result<<C as Command>::Answer, ApiError>;
