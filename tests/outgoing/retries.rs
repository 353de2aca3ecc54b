//! Stories of deliveries over hours, on the paused clock: when each is tried, and what a restart makes of it.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use harness::world::{StoryClock, vault};
use tempfile::TempDir;
use tinyforge_core::clock::{Clock as _, SharedClock};
use tinyforge_core::docker::fake::FakeEngine;
use tinyforge_core::events::{Bus, Event};
use tinyforge_core::notify::webhook::failure::Failure;
use tinyforge_core::notify::webhook::post::{Parcel, Post, Sent};
use tinyforge_core::notify::webhook::target::Target;
use tinyforge_core::notify::webhook::{Outgoing, Sending};
use tinyforge_core::rules::notice::{Notice, NoticeKind};
use tinyforge_core::rules::outgoing::Letter;
use tinyforge_core::rules::secret::Secret;
use tinyforge_core::rules::verdict::Level;
use tinyforge_core::store::{DeliveryState, Store};
use tokio::time::Instant;

const SECRET: &str = "a secret of the story";

/// Takes down what it is given, and answers as it is told; from then on with 200.
#[derive(Default)]
struct Book {
    began: Mutex<Option<Instant>>,
    answers: Mutex<VecDeque<Result<u16, Failure>>>,
    sent: Mutex<Vec<(u64, Parcel)>>,
    takes: Duration,
}

#[async_trait]
impl Post for Book {
    async fn send(&self, parcel: &Parcel) -> Sent {
        let began = self.began.lock().unwrap().unwrap_or_else(Instant::now);
        self.sent.lock().unwrap().push((began.elapsed().as_secs(), parcel.clone()));
        tokio::time::sleep(self.takes).await;
        let outcome = self.answers.lock().unwrap().pop_front().unwrap_or(Ok(200));
        Sent { outcome, took: self.takes }
    }
}

struct Story {
    clock: StoryClock,
    store: Store,
    bus: Bus,
    book: Arc<Book>,
    keys: TempDir,
}

impl Story {
    fn begin(answers: impl IntoIterator<Item = Result<u16, Failure>>) -> Self {
        Self::with(Book { answers: Mutex::new(answers.into_iter().collect()), ..Book::default() })
    }

    fn with(book: Book) -> Self {
        *book.began.lock().unwrap() = Some(Instant::now());
        let bus = Bus::default();
        Self {
            clock: StoryClock::of(&FakeEngine::new(1)),
            store: Store::in_memory(bus.clone()).unwrap(),
            bus,
            book: Arc::new(book),
            keys: tempfile::tempdir().unwrap(),
        }
    }

    fn outgoing_with_keys_in(&self, folder: &Path) -> Outgoing {
        let clock = Arc::new(self.clock.clone()) as SharedClock;
        let vault = vault(&self.store, &clock, folder);
        Outgoing::new(self.store.clone(), vault, clock, Arc::clone(&self.book) as Arc<dyn Post>)
    }

    /// As a daemon that has just been started sees it.
    fn outgoing(&self) -> Outgoing {
        self.outgoing_with_keys_in(self.keys.path())
    }

    async fn set(&self) -> (Outgoing, Sending) {
        let outgoing = self.outgoing();
        let target = Target::parse("https://hooks.example.com/token").unwrap();
        outgoing.set(&target, Some(&Secret::new(SECRET))).await.unwrap();
        let sending = outgoing.start(&self.bus);
        (outgoing, sending)
    }

    fn notice(&self, id: u64) {
        self.bus.publish(Event::Noticed(Arc::new(Notice {
            id,
            at: self.clock.now(),
            kind: NoticeKind::Crashed,
            level: Level::Bad,
            title: format!("shop/dev crashed ({id})"),
            body: "exit code 1".into(),
            workload: Some("shop".into()),
            role: Some("dev".into()),
            workload_ids: vec![],
            row_ids: vec![],
            cause: None,
            fix: None,
            target: "#/containers".into(),
        })));
    }

    async fn wait(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    fn sent(&self) -> Vec<(u64, Parcel)> {
        self.book.sent.lock().unwrap().clone()
    }

    /// In seconds since the story began.
    fn times(&self) -> Vec<u64> {
        self.sent().into_iter().map(|(at, _)| at).collect()
    }

    async fn states(&self) -> Vec<DeliveryState> {
        self.store.deliveries(1_000).await.unwrap().into_iter().map(|delivery| delivery.state).collect()
    }
}

fn answered(status: u16) -> Result<u16, Failure> {
    Err(Failure::Status { status, retry_after: None })
}

const DAY: u64 = 86_400;

#[tokio::test(start_paused = true)]
async fn what_is_accepted_is_sent_once_also_after_a_restart() {
    let story = Story::begin([]);
    let (_, sending) = story.set().await;
    story.notice(1);
    story.wait(1).await;
    assert_eq!(story.times(), [0]);
    let (_, parcel) = story.sent().remove(0);
    assert_eq!(
        (parcel.event.as_str(), parcel.target.origin().as_str()),
        ("crashed", "https://hooks.example.com")
    );
    assert_eq!(parcel.secret.as_ref().map(Secret::reveal), Some(SECRET));
    let body: serde_json::Value = serde_json::from_slice(&parcel.body).unwrap();
    assert_eq!((&body["title"], &body["workload_name"]), (&"shop/dev crashed (1)".into(), &"shop".into()));
    assert_eq!(body["delivery"], parcel.delivery.as_str());
    assert_eq!(body["sent_at"], parcel.sent_at.to_string().as_str(), "the signature covers when it was sent");
    drop(sending);
    let _again = story.outgoing().start(&story.bus);
    story.wait(DAY).await;
    assert_eq!(story.times().len(), 1);
    assert_eq!(story.states().await, [DeliveryState::Delivered]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_down_is_tried_ever_more_seldom_and_then_given_up() {
    let story = Story::begin((0..9).map(|_| answered(503)));
    let _sending = story.set().await;
    story.notice(1);
    story.wait(DAY).await;
    assert_eq!(story.times(), [0, 5, 35, 155, 755, 4_355]);
    let ids: BTreeSet<String> = story.sent().into_iter().map(|(_, parcel)| parcel.delivery).collect();
    assert_eq!(ids.len(), 1, "the receiver tells by the id that it is the same");
    let bodies: BTreeSet<Vec<u8>> = story.sent().into_iter().map(|(_, parcel)| parcel.body).collect();
    assert_eq!(bodies.len(), 6, "each says when it was sent");
    let receipt = story.store.deliveries(1).await.unwrap().remove(0);
    assert_eq!((receipt.state, receipt.attempts, receipt.next_at), (DeliveryState::GivenUp, 6, None));
    let tried = receipt.tried.unwrap();
    assert_eq!((tried.status, tried.error.as_deref()), (Some(503), Some("the receiver answered 503")));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_turns_it_down_is_not_asked_again() {
    for failure in [answered(400), answered(404), Err(Failure::Redirected { status: 302, to: None })] {
        let story = Story::begin([failure]);
        let _sending = story.set().await;
        story.notice(1);
        story.wait(DAY).await;
        assert_eq!((story.times(), story.states().await), (vec![0], vec![DeliveryState::GivenUp]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_asks_for_time_gets_it() {
    let asks = Err(Failure::Status { status: 429, retry_after: Some(Duration::from_secs(900)) });
    let story = Story::begin([asks]);
    let _sending = story.set().await;
    story.notice(1);
    story.wait(DAY).await;
    assert_eq!(story.times(), [0, 900]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_where_it_was() {
    let story = Story::begin([answered(500), answered(500), answered(500)]);
    let (_, sending) = story.set().await;
    story.notice(1);
    story.wait(10).await;
    assert_eq!(story.times(), [0, 5]);
    drop(sending);
    story.wait(10).await;
    let again = story.outgoing().start(&story.bus);
    story.wait(30).await;
    assert_eq!(story.times(), [0, 5, 35], "not at once, but when it would have been");
    drop(again);
    story.wait(DAY).await;
    let _late = story.outgoing().start(&story.bus);
    story.wait(1).await;
    assert_eq!(story.times().len(), 4, "what has become due meanwhile comes at once");
    assert_eq!(story.states().await, [DeliveryState::Delivered]);
    assert_eq!(story.store.deliveries(1).await.unwrap()[0].attempts, 4);
}

#[tokio::test(start_paused = true)]
async fn many_at_once_are_sent_one_after_the_other_in_their_order() {
    let story = Story::with(Book { takes: Duration::from_secs(2), ..Book::default() });
    let _sending = story.set().await;
    (1..=20).for_each(|id| story.notice(id));
    story.wait(60).await;
    let titles: Vec<String> = story
        .sent()
        .iter()
        .map(|(_, parcel)| {
            serde_json::from_slice::<serde_json::Value>(&parcel.body).unwrap()["title"].to_string()
        })
        .collect();
    let expected: Vec<String> = (1..=20).map(|id| format!("\"shop/dev crashed ({id})\"")).collect();
    assert_eq!(titles, expected);
    assert_eq!(story.times(), (0..20).map(|n| 2 * n).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn only_so_many_are_remembered_however_long_a_receiver_is_away() {
    let story = Story::begin((0..5_000).map(|_| answered(500)));
    let _sending = story.set().await;
    for id in 0..30 {
        (0..10).for_each(|n| story.notice(id * 10 + n));
        story.wait(1).await;
    }
    let kept = story.store.deliveries(1_000).await.unwrap();
    assert_eq!(kept.len(), 200);
    assert_eq!(kept[0].title, "shop/dev crashed (299)", "the latest ones");
}

#[tokio::test(start_paused = true)]
async fn turned_off_nothing_is_sent_and_what_waited_is_given_up() {
    let story = Story::begin([answered(500)]);
    let _sending = story.set().await;
    story.notice(1);
    story.wait(1).await;
    assert!(story.store.remove_outgoing_webhook(story.clock.now()).await.unwrap());
    story.notice(2);
    story.wait(DAY).await;
    assert_eq!((story.times(), story.states().await), (vec![0], vec![DeliveryState::GivenUp]));
    assert!(!story.store.remove_outgoing_webhook(story.clock.now()).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn set_anew_what_waits_is_tried_at_once() {
    let story = Story::begin([answered(500), answered(500), answered(500), answered(500)]);
    let (outgoing, _sending) = story.set().await;
    story.notice(1);
    story.wait(200).await;
    assert_eq!(story.times(), [0, 5, 35, 155]);
    outgoing.set(&Target::parse("http://other.example/").unwrap(), None).await.unwrap();
    story.wait(1).await;
    assert_eq!(story.times(), [0, 5, 35, 155, 200]);
    let (_, last) = story.sent().pop().unwrap();
    assert_eq!((last.target.origin().as_str(), last.secret), ("http://other.example", None));
}

/// The key's file is away (a folder that is not mounted yet): nothing is lost, and nothing is made in its place.
#[tokio::test(start_paused = true)]
async fn while_the_key_is_not_to_be_had_deliveries_wait() {
    let story = Story::begin([]);
    drop(story.set().await);
    let elsewhere = tempfile::tempdir().unwrap();
    let locked = story.outgoing_with_keys_in(elsewhere.path()).start(&story.bus);
    story.notice(1);
    story.wait(10).await;
    assert_eq!(story.times(), [0_u64; 0]);
    let waiting = story.store.deliveries(1).await.unwrap().remove(0);
    assert_eq!(waiting.state, DeliveryState::Waiting);
    let error = waiting.tried.unwrap().error.unwrap();
    assert!(error.contains("secrets.key") && error.contains("put it back"), "{error}");
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0, "no second key");
    drop(locked);
    let _unlocked = story.outgoing().start(&story.bus);
    story.wait(60).await;
    assert_eq!(story.states().await, [DeliveryState::Delivered]);
}

#[tokio::test(start_paused = true)]
async fn a_test_is_sent_at_once_and_once_and_leaves_a_receipt() {
    let story = Story::begin([answered(500)]);
    let (outgoing, _sending) = story.set().await;
    let letter = Letter::test(story.clock.now(), "desk".into());
    let sent = outgoing.try_now(&letter).await.unwrap();
    assert_eq!(sent.outcome, answered(500));
    story.wait(DAY).await;
    assert_eq!((story.times(), story.states().await), (vec![0], vec![DeliveryState::GivenUp]));
    assert!(outgoing.try_now(&letter).await.unwrap().outcome.is_ok());
    assert_eq!(story.states().await[0], DeliveryState::Delivered);
}
