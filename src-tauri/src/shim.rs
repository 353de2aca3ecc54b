//! Stand-ins until the core's own parts are merged.
use std::path::{Path, PathBuf};
use std::pin::Pin;
use futures_util::Stream;
use tinyforge_core::control::commands::Command;
use tinyforge_core::control::shapes::{Announcement, ApiError, ErrorCode};

pub type Announcements = Pin<Box<dyn Stream<Item = Announcement> + Send>>;

#[derive(Clone)]
pub enum Face { Local, Remote(Client) }
impl Face {
    pub async fn call<C: Command>(&self, _c: C) -> Result<C::Answer, ApiError> { Err(ApiError::new(ErrorCode::Internal, "shim")) }
    pub async fn subscribe(&self) -> Result<Announcements, ApiError> { Ok(Box::pin(futures_util::stream::pending())) }
}
#[derive(Clone)]
pub struct Client;
impl Client { pub async fn connect(_home: &Home) -> Result<Self, ApiError> { Err(ApiError::new(ErrorCode::DaemonGone, "shim")) }
  pub fn version(&self) -> &str { "0.1.0" } }
pub struct Home(PathBuf);
impl Home { pub fn from_env() -> Result<Self, ApiError> { Ok(Home(std::env::temp_dir())) } pub fn path(&self) -> &Path { &self.0 } }
pub struct App;
impl App { pub async fn start(_home: &Home) -> Result<Self, ApiError> { Ok(Self) } pub async fn stop(self) {} pub fn desk(&self) -> Face { Face::Local } }
