//! Settings, and copies of the database.

use super::commands::{CreateBackup, GetSettings, ListBackups, SetSetting};
use super::shapes::{ApiError, Backup, Setting};
use super::words::{bytes, count};
use super::{Answers, Control};

/// The setting beside which it is told how much history there is.
const HISTORY_DAYS: &str = "history_days";

impl Answers<GetSettings> for Control {
    async fn answer(&self, asked: GetSettings) -> Result<Vec<Setting>, ApiError> {
        match asked.key {
            Some(key) => Ok(vec![self.setting(&key).await?]),
            None => self.settings().await,
        }
    }
}

impl Answers<SetSetting> for Control {
    async fn answer(&self, asked: SetSetting) -> Result<Setting, ApiError> {
        self.parts.store.set_setting(&asked.key, &asked.value, self.parts.clock.now()).await?;
        self.setting(&asked.key).await
    }
}

impl Answers<ListBackups> for Control {
    async fn answer(&self, _: ListBackups) -> Result<Vec<Backup>, ApiError> {
        let found = self.parts.store.backups().await?;
        Ok(found.into_iter().map(backup).collect())
    }
}

impl Answers<CreateBackup> for Control {
    async fn answer(&self, _: CreateBackup) -> Result<Backup, ApiError> {
        let made =
            self.parts.store.backup(crate::store::BackupReason::Manual, self.parts.clock.now()).await?;
        Ok(backup(made))
    }
}

pub(crate) fn backup(of: crate::store::Backup) -> Backup {
    Backup {
        name: of.name,
        created_at: of.created_at,
        bytes: of.bytes,
        schema_version: of.schema_version,
        reason: of.reason.as_str().to_owned(),
    }
}

impl Control {
    pub(super) async fn settings(&self) -> Result<Vec<Setting>, ApiError> {
        let found = self.parts.store.settings().await?;
        let history = self.history_as_it_is().await?;
        Ok(found
            .into_iter()
            .map(|setting| Setting {
                now: (setting.key == HISTORY_DAYS).then(|| history.clone()),
                key: setting.key.to_owned(),
                value: setting.value,
                default: setting.default.to_owned(),
                explanation: setting.explanation.to_owned(),
            })
            .collect())
    }

    /// Its span, its number of lines, and what all of the database takes.
    async fn history_as_it_is(&self) -> Result<String, ApiError> {
        let size = self.parts.store.history_size().await?;
        let since = size.from.map(|from| format!(" since {}", from.strftime("%Y-%m-%d"))).unwrap_or_default();
        let database = bytes(self.parts.store.bytes());
        Ok(format!("{}{since}; the database has {database}", count(size.lines, "change")))
    }

    pub(super) async fn setting(&self, key: &str) -> Result<Setting, ApiError> {
        let mut all = self.settings().await?;
        match all.iter().position(|setting| setting.key == key) {
            Some(at) => Ok(all.swap_remove(at)),
            None => {
                let known: Vec<&str> = all.iter().map(|setting| setting.key.as_str()).collect();
                let message = format!("there is no setting {key:?}; there are: {}", known.join(", "));
                Err(ApiError::new(super::shapes::ErrorCode::NotFound, message))
            }
        }
    }
}
