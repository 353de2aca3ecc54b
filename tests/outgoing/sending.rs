//! One delivery over real sockets: what arrives, what answers mean, and whom nothing is ever sent to.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tinyforge_core::clock::Timestamp;
use tinyforge_core::notify::webhook::failure::Failure;
use tinyforge_core::notify::webhook::post::{HttpPost, Parcel, Post, Resolver, Sent, SystemResolver};
use tinyforge_core::notify::webhook::target::Target;
use tinyforge_core::rules::outgoing::{Outcome, Refusal, Then, then};
use tinyforge_core::rules::secret::Secret;

use crate::receiver::{Receiver, Reply};

/// Longer than anything here takes, but what never answers.
const PATIENCE: Duration = Duration::from_secs(20);
/// For what never answers.
const SHORT: Duration = Duration::from_millis(400);

fn parcel(url: &str) -> Parcel {
    Parcel {
        target: Target::parse(url).unwrap(),
        secret: Some(Secret::new("a secret of the test")),
        event: "crashed".into(),
        delivery: "d-1".into(),
        sent_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        body: br#"{"event":"crashed"}"#.to_vec(),
    }
}

async fn send(url: &str) -> Sent {
    HttpPost::with(Arc::new(SystemResolver), PATIENCE).send(&parcel(url)).await
}

/// Answers what it is told, whatever it is asked.
#[derive(Default)]
struct Told {
    answers: Mutex<Vec<Vec<SocketAddr>>>,
    asked: AtomicUsize,
}

impl Told {
    fn one(addresses: Vec<SocketAddr>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(vec![addresses]), ..Self::default() })
    }
}

#[async_trait]
impl Resolver for Told {
    async fn addresses(&self, _host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut answers = self.answers.lock().unwrap();
        Ok(if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() })
    }
}

#[tokio::test]
async fn what_arrives_is_whole_and_the_receiver_can_check_who_sent_it() {
    let receiver = Receiver::replying([]);
    let sent = send(&receiver.url("/hooks/token?x=1")).await;
    assert_eq!(sent.outcome, Ok(200));
    assert!(sent.took > Duration::ZERO && sent.took < PATIENCE);
    let got = receiver.received();
    let [got] = got.as_slice() else { panic!("{got:?}") };
    assert_eq!((got.method.as_str(), got.path.as_str()), ("POST", "/hooks/token?x=1"));
    assert_eq!(got.body, br#"{"event":"crashed"}"#);
    assert!(got.is_signed_with("a secret of the test"), "{got:?}");
    assert!(!got.is_signed_with("another secret"));
    let header = |name: &str| got.headers.get(name).map(String::as_str);
    assert_eq!(header("content-type"), Some("application/json"));
    assert_eq!(header("user-agent"), Some(concat!("tinyforge/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(header("x-tinyforge-event"), Some("crashed"));
    assert_eq!(header("x-tinyforge-delivery"), Some("d-1"));
    assert_eq!(header("x-tinyforge-time"), Some("2026-01-01T00:00:00Z"));
    assert_eq!(header("host"), Some(receiver.address.to_string().as_str()));

    let unsigned = Parcel { secret: None, ..parcel(&receiver.url("/")) };
    HttpPost::default().send(&unsigned).await.outcome.unwrap();
    assert!(!receiver.received()[1].headers.contains_key("x-hub-signature-256"));
}

#[tokio::test]
async fn every_answer_is_told_in_words_and_only_what_passes_by_itself_is_tried_again() {
    let again = true;
    let cases = [
        (Reply::Status(204), "", false),
        (Reply::Status(400), "answered 400", false),
        (Reply::Status(404), "answered 404", false),
        (Reply::Status(429), "answered 429", again),
        (Reply::Status(500), "answered 500", again),
        (Reply::Status(503), "answered 503", again),
        (Reply::Closes, "closed the connection without an answer", again),
        (Reply::Garbage, "no HTTP", again),
        (Reply::EndlessHead, "no HTTP", again),
        (Reply::Endless, "", false),
    ];
    for (reply, words, retried) in cases {
        let receiver = Receiver::replying([reply.clone()]);
        let sent = send(&receiver.url("/token")).await;
        let outcome = match &sent.outcome {
            Ok(status) => Outcome::Answered { status: *status, retry_after: None },
            Err(failure) => {
                let text = failure.text();
                assert!(!words.is_empty() && text.contains(words), "{reply:?}: {text}");
                assert!(!text.contains("token") && !failure.cure().is_empty(), "{text}");
                failure.outcome()
            }
        };
        assert_eq!(sent.outcome.is_ok(), words.is_empty(), "{reply:?}: {sent:?}");
        assert_eq!(matches!(then(outcome, 1), Then::Again(_)), retried, "{reply:?}");
    }
}

#[tokio::test]
async fn a_receiver_that_never_answers_is_given_up_in_time() {
    let receiver = Receiver::replying([Reply::Silent]);
    let post = HttpPost::with(Arc::new(SystemResolver), SHORT);
    let began = Instant::now();
    let sent = post.send(&parcel(&receiver.url("/"))).await;
    assert_eq!(sent.outcome, Err(Failure::Slow { limit: SHORT }));
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

#[tokio::test]
async fn of_an_answer_without_end_nothing_is_kept() {
    for reply in [Reply::Endless, Reply::EndlessHead] {
        let receiver = Receiver::replying([reply]);
        let sent = send(&receiver.url("/")).await;
        assert!(sent.took < PATIENCE);
        drop(sent);
        // What the system's own buffers take, and no more.
        assert!(receiver.poured() < 64 * 1024 * 1024, "{}", receiver.poured());
    }
}

#[tokio::test]
async fn no_redirect_is_followed_and_it_is_told_as_what_it_is() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Receiver::replying([]);
        let receiver = Receiver::replying([Reply::With(status, "Location", elsewhere.url("/private-path"))]);
        let failure = send(&receiver.url("/")).await.outcome.unwrap_err();
        assert!(matches!(failure, Failure::Redirected { status: told, .. } if told == status), "{failure:?}");
        let text = failure.text();
        assert!(text.contains(&elsewhere.url("")) && !text.contains("private-path"), "{text}");
        assert_eq!(elsewhere.connections(), 0);
        assert_eq!(then(failure.outcome(), 1), Then::GivenUp);
    }
}

#[tokio::test]
async fn nobody_there_is_told_with_the_address_that_was_tried() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failure = send(&format!("http://{nobody}/")).await.outcome.unwrap_err();
    assert!(failure.text().contains(&nobody.to_string()), "{}", failure.text());
    assert_eq!(failure.outcome(), Outcome::Unreached);
    let failure = send("http://nobody.invalid/").await.outcome.unwrap_err();
    assert!(matches!(failure, Failure::NoAddress { .. }), "{failure:?}");
}

#[tokio::test]
async fn a_name_that_leads_to_metadata_is_refused_before_anything_is_sent() {
    for address in [
        "169.254.169.254:80",
        "[::ffff:169.254.169.254]:80",
        "[fe80::1]:80",
        "100.100.100.200:80",
        "0.0.0.0:80",
        "[::]:80",
        "224.0.0.1:80",
    ] {
        let post = HttpPost::with(Told::one(vec![address.parse().unwrap()]), PATIENCE);
        let sent = post.send(&parcel("http://hooks.example.com/")).await;
        let failure = sent.outcome.unwrap_err();
        assert!(matches!(failure, Failure::Refused { address: Some(_), .. }), "{address}: {failure:?}");
        assert_eq!(then(failure.outcome(), 1), Then::GivenUp);
        assert!(failure.text().starts_with("hooks.example.com is "), "{}", failure.text());
    }
    // What was stored by another version, or by hand, is checked all the same.
    let receiver = Receiver::replying([]);
    let told = Told::one(vec![receiver.address]);
    let post = HttpPost::with(Arc::clone(&told) as Arc<dyn Resolver>, PATIENCE);
    let target = Target::parse("http://metadata.google.internal.example/").unwrap();
    assert_eq!(post.send(&Parcel { target, ..parcel("http://a/") }).await.outcome, Ok(200));
}

#[tokio::test]
async fn among_several_addresses_only_those_that_are_not_refused_are_connected_to() {
    let receiver = Receiver::replying([]);
    let addresses = vec!["[fe80::1]:80".parse().unwrap(), receiver.address];
    let post = HttpPost::with(Told::one(addresses), PATIENCE);
    assert_eq!(post.send(&parcel("http://machine.local/")).await.outcome, Ok(200));
}

/// A name that resolves to a harmless address when it is checked and to another when it is connected to.
#[tokio::test]
async fn the_address_that_was_checked_is_the_one_that_is_connected_to() {
    let receiver = Receiver::replying([]);
    let answers = vec![vec![receiver.address], vec!["169.254.169.254:80".parse().unwrap()]];
    let told = Arc::new(Told { answers: Mutex::new(answers), ..Told::default() });
    let post = HttpPost::with(Arc::clone(&told) as Arc<dyn Resolver>, PATIENCE);
    assert_eq!(post.send(&parcel("http://rebinding.example/")).await.outcome, Ok(200));
    assert_eq!(told.asked.load(Ordering::Relaxed), 1, "asked once for each delivery");
    let failure = post.send(&parcel("http://rebinding.example/")).await.outcome.unwrap_err();
    assert!(matches!(failure, Failure::Refused { why: Refusal::Metadata, .. }), "{failure:?}");
}

#[tokio::test]
async fn a_receiver_asks_for_time_in_seconds_or_by_a_date() {
    let now: Timestamp = parcel("http://a/").sent_at;
    assert_eq!(now.to_string(), "2026-01-01T00:00:00Z");
    for (text, seconds) in [("90", Some(90)), ("Thu, 01 Jan 2026 00:02:00 GMT", Some(120)), ("later", None)] {
        let receiver = Receiver::replying([Reply::With(429, "Retry-After", text.to_owned())]);
        let failure = send(&receiver.url("/")).await.outcome.unwrap_err();
        let expected = Failure::Status { status: 429, retry_after: seconds.map(Duration::from_secs) };
        assert_eq!(failure, expected, "{text}");
    }
}
