//! The outgoing webhook: set, shown, tried, turned off, and what came of what was sent.

use super::commands::{
    GetOutgoingWebhook, ListOutgoingDeliveries, RemoveOutgoingWebhook, SetOutgoingWebhook,
    TestOutgoingWebhook,
};
use super::shapes::{
    ApiError, ErrorCode, OutgoingDelivery, OutgoingTest, OutgoingWebhook, OutgoingWebhookSet,
};
use super::{Answers, Control};
use crate::notify::webhook::target::{BadTarget, Target};
use crate::notify::webhook::{OutgoingError, host_name};
use crate::rules::outgoing::Letter;
use crate::rules::secret::Secret;
use crate::secrets::{SecretsError, random_text};
use crate::store::Delivery;

/// As many as are remembered.
const ALL: u32 = 200;

/// What is shorter can be guessed; what is longer was not meant to be one.
const SECRET_LENGTH: std::ops::RangeInclusive<usize> = 16..=512;

impl Answers<GetOutgoingWebhook> for Control {
    async fn answer(&self, _: GetOutgoingWebhook) -> Result<Option<OutgoingWebhook>, ApiError> {
        self.outgoing_webhook().await
    }
}

impl Answers<SetOutgoingWebhook> for Control {
    async fn answer(&self, asked: SetOutgoingWebhook) -> Result<OutgoingWebhookSet, ApiError> {
        self.must_write()?;
        let wrong = |text: &str| ApiError::new(ErrorCode::Usage, text);
        let url = asked.url.ok_or_else(|| wrong("say where to send to: a URL"))?;
        let target = Target::parse(url.reveal())?;
        let (secret, made) = match (asked.secret, asked.unsigned) {
            (Some(_), true) => return Err(wrong("a secret was given, and that nothing is to be signed")),
            (Some(secret), false) => (Some(usable(secret)?), None),
            (None, true) => (None, None),
            (None, false) => {
                let made = random_text()?;
                (Some(made.clone()), Some(made))
            }
        };
        self.parts.outgoing.set(&target, secret.as_ref()).await?;
        let webhook = self.outgoing_webhook().await?.ok_or(OutgoingError::None)?;
        Ok(OutgoingWebhookSet { webhook, secret: made })
    }
}

impl Answers<RemoveOutgoingWebhook> for Control {
    async fn answer(&self, _: RemoveOutgoingWebhook) -> Result<bool, ApiError> {
        self.must_write()?;
        Ok(self.parts.store.remove_outgoing_webhook(self.parts.clock.now()).await?)
    }
}

impl Answers<TestOutgoingWebhook> for Control {
    async fn answer(&self, _: TestOutgoingWebhook) -> Result<OutgoingTest, ApiError> {
        self.must_write()?;
        let webhook = self.parts.store.outgoing_webhook().await?.ok_or(OutgoingError::None)?;
        let letter = Letter::test(self.parts.clock.now(), host_name());
        let sent = self.parts.outgoing.try_now(&letter).await?;
        let (status, text, cure) = match &sent.outcome {
            Ok(status) => (Some(*status), format!("the receiver answered {status}"), None),
            Err(failure) => (failure.status(), failure.text(), Some(failure.cure().to_owned())),
        };
        Ok(OutgoingTest {
            delivered: sent.outcome.is_ok(),
            receiver: webhook.origin,
            status,
            latency_ms: u32::try_from(sent.took.as_millis()).unwrap_or(u32::MAX),
            text,
            cure,
        })
    }
}

impl Answers<ListOutgoingDeliveries> for Control {
    async fn answer(&self, asked: ListOutgoingDeliveries) -> Result<Vec<OutgoingDelivery>, ApiError> {
        let found = self.parts.store.deliveries(asked.limit.unwrap_or(ALL)).await?;
        Ok(found.into_iter().map(delivery).collect())
    }
}

impl Control {
    async fn outgoing_webhook(&self) -> Result<Option<OutgoingWebhook>, ApiError> {
        let store = &self.parts.store;
        let Some(webhook) = store.outgoing_webhook().await? else { return Ok(None) };
        let last = store.deliveries(ALL).await?.into_iter().find(|delivery| delivery.tried.is_some());
        Ok(Some(OutgoingWebhook {
            receiver: webhook.origin,
            signed: webhook.secret.is_some(),
            key_place: store.key_record().await?.map(|record| record.place),
            set_at: webhook.set_at,
            waiting: store.deliveries_waiting().await?,
            last: last.map(delivery),
        }))
    }
}

fn usable(secret: Secret) -> Result<Secret, ApiError> {
    let wrong = |text: String| Err(ApiError::new(ErrorCode::Usage, text));
    let text = secret.reveal();
    if !SECRET_LENGTH.contains(&text.len()) {
        let (least, most) = (SECRET_LENGTH.start(), SECRET_LENGTH.end());
        return wrong(format!("a secret of {least} to {most} bytes is needed, this one has {}", text.len()));
    }
    if text.chars().any(char::is_control) {
        return wrong("a secret is one line of text, without control characters".to_owned());
    }
    Ok(secret)
}

fn delivery(of: Delivery) -> OutgoingDelivery {
    let tried = of.tried.as_ref();
    OutgoingDelivery {
        delivery_id: of.id.clone(),
        event: of.event.clone(),
        title: of.title.clone(),
        at: of.at,
        state: of.state.as_str().to_owned(),
        attempts: of.attempts,
        next_at: of.next_at,
        tried_at: tried.map(|tried| tried.at),
        status: tried.and_then(|tried| tried.status),
        latency_ms: tried.and_then(|tried| tried.latency_ms),
        error: tried.and_then(|tried| tried.error.clone()),
    }
}

impl From<BadTarget> for ApiError {
    fn from(error: BadTarget) -> Self {
        Self::new(ErrorCode::Usage, error.to_string())
    }
}

impl From<SecretsError> for ApiError {
    fn from(error: SecretsError) -> Self {
        Self::new(ErrorCode::Refused, error.to_string())
    }
}

impl From<OutgoingError> for ApiError {
    fn from(error: OutgoingError) -> Self {
        match error {
            OutgoingError::None => Self::new(ErrorCode::NotFound, error.to_string()),
            OutgoingError::Store(error) => error.into(),
            OutgoingError::Secrets(error) => error.into(),
        }
    }
}
