//! What the shell tells the window without being asked: five typed events.

use serde::{Deserialize, Serialize};
use specta::Type;
use tauri_specta::Event;
use tinyforge_core::control::shapes::Announcement;

use crate::link::Standing;

/// What the core announced, passed on as it came: one patch for one change.
#[derive(Debug, Clone, Serialize, Deserialize, Type, Event)]
pub struct Announced(pub Announcement);

/// What the window stands on has changed. A new core means a new snapshot.
#[derive(Debug, Clone, Serialize, Deserialize, Type, Event)]
pub struct StandingChanged(pub Standing);

/// The window was asked to close and no tray could bring it back: the user decides.
#[derive(Debug, Clone, Serialize, Deserialize, Type, Event)]
pub struct CloseAsked;

/// A container was chosen in the tray, by its row's id.
#[derive(Debug, Clone, Serialize, Deserialize, Type, Event)]
pub struct ContainerChosen(pub String);

/// A place was chosen in a notification: the address of a page of the window, as it stands behind the `#` and with it.
#[derive(Debug, Clone, Serialize, Deserialize, Type, Event)]
pub struct PlaceChosen(pub String);
