//! `inspect`: what the engine itself tells of one container, handed on as it came. It is neither kept nor logged: it holds
//! the environment.

use super::act::find;
use super::commands::Inspect;
use super::shapes::{ApiError, ErrorCode, Inspection};
use super::{Answers, Control};

impl Answers<Inspect> for Control {
    async fn answer(&self, asked: Inspect) -> Result<Inspection, ApiError> {
        self.reachable().await?;
        let (_, rows) = self.rows_and_revision().await?;
        let (id, name) = find(&rows, &asked.container)?;
        match self.parts.engine.inspect_whole(&id).await? {
            Some(json) => Ok(Inspection { container_id: id.to_string(), json }),
            None => Err(ApiError::new(
                ErrorCode::NotFound,
                format!("the engine no longer knows {name} ({}): there is nothing to inspect", id.short()),
            )),
        }
    }
}
