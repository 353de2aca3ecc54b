use std::sync::Arc;

use super::Keyring;

/// None that we speak to yet: the key lies in its file.
pub(super) fn keyring() -> Option<Arc<dyn Keyring>> {
    None
}
