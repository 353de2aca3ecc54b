//! The database of the earlier design.

use jiff::Timestamp;

use super::error::StoreError;
use super::migrate::Run;

pub(super) fn move_aside(_run: &mut Run<'_>, _now: Timestamp) -> Result<(), StoreError> {
    Ok(())
}
