//! `notifications`: what was told, and what users want to hear.

use jiff::{SignedDuration, Timestamp};

use super::commands::{GetNoticeRules, ListNotices, MuteNotices, PauseNotices, ResumeNotices};
use super::shapes::{ApiError, ErrorCode, Mute, NoticeRules};
use super::stale::{name_of, workload};
use super::{Answers, Control};
use crate::rules::ids::WorkloadId;
use crate::rules::notice::Notice;
use crate::rules::notice::mute::Scope;

const LATEST: u32 = 100;
/// The longest pause: who means longer switches the setting `notifications` off.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(31 * 24);

impl Answers<ListNotices> for Control {
    async fn answer(&self, asked: ListNotices) -> Result<Vec<Notice>, ApiError> {
        Ok(self.parts.store.notices(asked.limit.unwrap_or(LATEST)).await?)
    }
}

impl Answers<GetNoticeRules> for Control {
    async fn answer(&self, _: GetNoticeRules) -> Result<NoticeRules, ApiError> {
        self.notice_rules().await
    }
}

impl Answers<PauseNotices> for Control {
    async fn answer(&self, asked: PauseNotices) -> Result<NoticeRules, ApiError> {
        self.must_write()?;
        let now = self.parts.clock.now();
        let wrong = |message: String| Err(ApiError::new(ErrorCode::Usage, message));
        let span = asked.for_s.map(|seconds| SignedDuration::from_secs(seconds.into()));
        let until = match (asked.until, span) {
            (Some(until), None) => until,
            (None, Some(span)) => now.checked_add(span).unwrap_or(Timestamp::MAX),
            (None, None) | (Some(_), Some(_)) => {
                return wrong("say until when, or for how long, notifications are to pause".into());
            }
        };
        if until <= now {
            return wrong(format!("a pause until {until} would be over already"));
        }
        if until.duration_since(now) > LONGEST_PAUSE {
            return wrong(
                "a pause ends within a month; `tinyforge settings set notifications off` is for longer"
                    .into(),
            );
        }
        self.parts.store.pause_notices(until, now).await?;
        self.notice_rules().await
    }
}

impl Answers<ResumeNotices> for Control {
    async fn answer(&self, _: ResumeNotices) -> Result<NoticeRules, ApiError> {
        self.must_write()?;
        self.parts.store.resume_notices(self.parts.clock.now()).await?;
        self.notice_rules().await
    }
}

impl Answers<MuteNotices> for Control {
    async fn answer(&self, asked: MuteNotices) -> Result<NoticeRules, ApiError> {
        self.must_write()?;
        let workload = match &asked.workload {
            Some(wanted) => Some(workload(&self.parts.store.workload_names().await?, wanted)?.0),
            None => None,
        };
        let scope = Scope { workload, kind: asked.kind };
        self.parts.store.mute_notices(scope, asked.muted, self.parts.clock.now()).await?;
        self.notice_rules().await
    }
}

impl Control {
    pub(super) async fn notice_rules(&self) -> Result<NoticeRules, ApiError> {
        let store = &self.parts.store;
        let (wishes, names) = (store.notice_wishes().await?, store.workload_names().await?);
        let now = self.parts.clock.now();
        let pause = wishes.pause.filter(|pause| pause.until > now);
        // What was wished for a workload that is gone concerns nobody.
        let concerns = |id: Option<&WorkloadId>| id.is_none_or(|id| names.contains_key(id));
        let mutes = wishes.mutes.iter().filter(|(scope, _)| concerns(scope.workload.as_ref()));
        Ok(NoticeRules {
            enabled: store.typed_settings().await?.notifications,
            paused_until: pause.map(|pause| pause.until),
            unheard: pause.map_or(0, |pause| pause.unheard),
            mutes: mutes
                .map(|(scope, muted)| Mute {
                    workload_id: scope.workload.as_ref().map(ToString::to_string),
                    workload_name: name_of(&names, scope.workload.as_ref()),
                    kind: scope.kind,
                    muted,
                })
                .collect(),
        })
    }
}
