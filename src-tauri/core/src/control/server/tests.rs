//! Server and client over a real socket, with a desk of the tests' own behind it.

use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::stream;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};

use super::super::client::{Client, Face};
use super::super::commands::{Doctor, GetSettings, Stop, Verify};
use super::super::protocol::PROTOCOL;
use super::super::shapes::Setting;
use super::*;

/// How long anything may take before the test is lost. Far beyond what it does take.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_face_and_a_daemon_greet_each_other_and_a_call_is_answered() {
    let daemon = Daemon::start().await;
    let client = daemon.client().await;
    assert_eq!(client.daemon(), &Hello::ours());
    assert_eq!(client.call(setting("colour")).await.unwrap(), vec![value("colour")]);
}

#[tokio::test]
async fn only_the_owner_can_open_the_socket_and_read_the_pointer() {
    let daemon = Daemon::start().await;
    let socket = daemon.server.socket().to_owned();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&socket), 0o600);
    assert_eq!(mode(socket.parent().unwrap()), 0o700);
    assert_eq!(mode(&daemon.home.pointer()), 0o600);
    let pointer = Pointer::read(&daemon.home).unwrap();
    assert_eq!((pointer.socket, pointer.pid, pointer.protocol), (socket, std::process::id(), PROTOCOL));
}

#[tokio::test]
async fn a_face_of_another_protocol_is_told_both_versions_and_hung_up_on() {
    let daemon = Daemon::start().await;
    let mut raw = daemon.raw().await;
    raw.say(&FromFace::Hello(Hello { version: "9.9.9".into(), protocol: PROTOCOL + 1, pid: 1 })).await;
    assert_eq!(
        raw.hear().await,
        Some(FromDaemon::Hello(Hello::ours())),
        "so that a later face can judge for itself"
    );
    let error = raw.hear_failure(None).await;
    assert_eq!(error.code, ErrorCode::Version);
    assert!(error.message.contains("9.9.9") && error.message.contains(crate::VERSION), "{error}");
    assert_eq!(raw.hear().await, None);
}

#[tokio::test]
async fn a_daemon_of_another_protocol_is_an_error_that_names_both() {
    let (home, _temp) = folders();
    let script = vec![FromDaemon::Hello(Hello { version: "9.9.9".into(), protocol: PROTOCOL + 1, pid: 77 })];
    let _daemon = false_daemon(&home, script).await;
    let error = Client::connect(&home).await.err().unwrap();
    assert_eq!(error.code, ErrorCode::Version);
    assert!(error.message.contains("9.9.9") && error.message.contains("pid 77"), "{error}");
}

#[tokio::test]
async fn many_calls_at_once_each_get_their_own_answer() {
    let daemon = Daemon::start().await;
    let client = daemon.client().await;
    let calls = (0..4 * CALLS).map(|n| {
        let client = client.clone();
        tokio::spawn(async move { (n, client.call(setting(&n.to_string())).await) })
    });
    for call in calls.collect::<Vec<_>>() {
        let (n, answer) = within(call).await.unwrap();
        assert_eq!(answer.unwrap(), vec![value(&n.to_string())]);
    }
}

#[tokio::test]
async fn the_desks_own_errors_arrive_as_they_are() {
    let daemon = Daemon::start().await;
    let error = daemon.client().await.call(setting("nonsense")).await.unwrap_err();
    assert_eq!(error, ApiError::new(ErrorCode::NotFound, "no nonsense here"));
}

#[tokio::test]
async fn a_panic_behind_the_desk_costs_one_call() {
    let daemon = Daemon::start().await;
    let client = daemon.client().await;
    let error = within(client.call(Doctor {})).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Internal);
    assert_eq!(client.call(setting("after")).await.unwrap(), vec![value("after")]);
}

#[tokio::test]
async fn a_reading_call_that_is_dropped_is_dropped_in_the_daemon_too() {
    let daemon = Daemon::start().await;
    let client = daemon.client().await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.call(Verify {}).await }
    });
    until(|| daemon.desk.waiting.load(Ordering::SeqCst) == 1).await;
    call.abort();
    until(|| daemon.desk.waiting.load(Ordering::SeqCst) == 0).await;
    assert_eq!(client.call(setting("still")).await.unwrap(), vec![value("still")], "the connection goes on");
}

#[tokio::test]
async fn an_act_that_is_dropped_is_carried_to_its_end() {
    let daemon = Daemon::start().await;
    let client = daemon.client().await;
    let call = tokio::spawn(async move { client.call(Stop { containers: vec!["a".into()] }).await });
    until(|| daemon.desk.waiting.load(Ordering::SeqCst) == 1).await;
    call.abort();
    assert!(call.await.is_err(), "the face and its connection are gone");
    daemon.desk.gate.add_permits(1);
    until(|| daemon.desk.acted.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn a_subscriber_hears_everything_from_its_subscription_on_in_order() {
    let daemon = Daemon::start().await;
    let client = daemon.client().await;
    let mut first = client.subscribe().await.unwrap();
    let mut second = Face::Remote(client.clone()).subscribe().await.unwrap();
    for n in 0..50 {
        daemon.desk.announce(&n.to_string(), "");
    }
    for n in 0..50 {
        let expected = Announcement::Setting { key: n.to_string(), value: String::new() };
        assert_eq!(within(first.next()).await, Some(expected.clone()));
        assert_eq!(within(second.next()).await, Some(expected));
    }
}

#[tokio::test]
async fn a_slow_subscriber_is_told_how_much_it_missed_and_memory_does_not_grow() {
    const SENT: usize = 3000;
    let daemon = Daemon::start().await;
    let mut raw = daemon.greeted().await;
    raw.say(&FromFace::Subscribe { id: 5 }).await;
    assert_eq!(raw.hear().await, Some(FromDaemon::Subscribed { id: 5 }));
    let bulk = "x".repeat(16 << 10);
    for _ in 0..SENT {
        daemon.desk.announce("bulk", &bulk);
    }
    until(|| daemon.desk.unheard() == 0).await;
    daemon.desk.announce("end", "");

    let (mut heard, mut missed, mut bytes) = (0, 0, 0);
    loop {
        let line = within(raw.lines.next()).await.unwrap().expect("the connection stays");
        bytes += line.len();
        let FromDaemon::Announced(announcement) = protocol::decode(&line).unwrap() else {
            panic!("only announcements")
        };
        match *announcement {
            Announcement::Setting { key, .. } if key == "end" => break,
            Announcement::Setting { .. } => heard += 1,
            Announcement::Lagged { missed: more } => missed += usize::try_from(more).unwrap(),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(heard + missed, SENT, "every announcement was heard or counted");
    assert!(missed > 0);
    assert!(bytes < BACKLOG_BYTES + (2 << 20), "{bytes} bytes had been kept for a reader that did not read");
}

#[tokio::test]
async fn a_slow_subscriber_holds_up_no_call() {
    let daemon = Daemon::start().await;
    let client = daemon.client().await;
    let _unread = client.subscribe().await.unwrap();
    for _ in 0..1000 {
        daemon.desk.announce("bulk", &"x".repeat(16 << 10));
    }
    assert_eq!(within(client.call(setting("quick"))).await.unwrap(), vec![value("quick")]);
}

#[tokio::test]
async fn one_connection_has_one_subscription() {
    let daemon = Daemon::start().await;
    let mut raw = daemon.greeted().await;
    raw.say(&FromFace::Subscribe { id: 1 }).await;
    assert_eq!(raw.hear().await, Some(FromDaemon::Subscribed { id: 1 }));
    raw.say(&FromFace::Subscribe { id: 2 }).await;
    assert_eq!(raw.hear_failure(Some(2)).await.code, ErrorCode::Conflict);
}

#[tokio::test]
async fn frames_that_cannot_be_used_are_answered_and_the_next_one_is_served() {
    let daemon = Daemon::start().await;
    let mut raw = daemon.greeted().await;
    let cases: [(&[u8], Option<u64>); 7] = [
        (b"", None),
        (b"what is this", None),
        (b"\xff\xfe\x00", None),
        (b"{\"call\":{\"id\":8}}", Some(8)),
        (b"{\"dance\":{\"id\":9}}", Some(9)),
        (b"{\"hello\":{\"version\":\"0\",\"protocol\":1,\"pid\":1}}", None),
        (&[b'['; 10_000], None),
    ];
    for (frame, id) in cases {
        raw.write(frame).await;
        raw.write(b"\n").await;
        assert_eq!(raw.hear_failure(id).await.code, ErrorCode::Usage, "{}", String::from_utf8_lossy(frame));
    }
    raw.say(&FromFace::Call { id: 10, command: "settings".into(), args: serde_json::json!({"key": "k"}) })
        .await;
    assert!(matches!(raw.hear().await, Some(FromDaemon::Answer { id: 10, .. })));
}

#[tokio::test]
async fn an_id_that_is_in_use_is_turned_down() {
    let daemon = Daemon::start().await;
    let mut raw = daemon.greeted().await;
    let call = FromFace::Call { id: 1, command: "verify".into(), args: serde_json::json!({}) };
    raw.say(&call).await;
    raw.say(&call).await;
    assert_eq!(raw.hear_failure(Some(1)).await.code, ErrorCode::Usage);
}

#[tokio::test]
async fn a_frame_beyond_the_limit_is_refused_without_being_kept() {
    let daemon = Daemon::start().await;
    let mut raw = daemon.greeted().await;
    let chunk = [b'x'; 64 << 10];
    for _ in 0..=LONGEST_CALL / chunk.len() {
        raw.write(&chunk).await;
    }
    let error = raw.hear_failure(None).await;
    assert_eq!(error.code, ErrorCode::Usage);
    assert!(error.message.contains("1048576"), "{error}");
    assert_eq!(raw.hear().await, None);
}

#[tokio::test]
async fn who_does_not_begin_with_a_hello_is_hung_up_on() {
    let daemon = Daemon::start().await;
    for first in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"{\"subscribe\":{\"id\":1}}\n"] {
        let mut raw = daemon.raw().await;
        raw.write(first).await;
        assert_eq!(raw.hear_failure(None).await.code, ErrorCode::Usage);
        assert_eq!(raw.hear().await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_hung_up_on() {
    let daemon = Daemon::start().await;
    let mut raw = daemon.raw().await;
    let error = raw.hear_failure(None).await;
    assert!(error.message.contains("5 seconds"), "{error}");
    assert_eq!(raw.hear().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_accepts_and_says_nothing_is_an_error_and_not_a_wait() {
    let (home, _temp) = folders();
    let _frozen = UnixListener::bind(home.prepare_socket().unwrap()).unwrap();
    let error = Client::connect(&home).await.err().unwrap();
    assert_eq!(error.code, ErrorCode::DaemonGone);
    assert!(error.message.contains("frozen"), "{error}");
}

#[tokio::test]
async fn more_connections_than_allowed_are_refused_and_the_others_served() {
    let daemon = Daemon::start().await;
    let mut seated = Vec::new();
    for _ in 0..CONNECTIONS {
        seated.push(daemon.greeted().await);
    }
    let error = Client::connect(&daemon.home).await.err().unwrap();
    assert_eq!(error.code, ErrorCode::Refused);
    drop(seated.pop());
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while Client::connect(&daemon.home).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "a seat that was left is free again");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn no_bytes_whatsoever_end_the_daemon() {
    let daemon = Daemon::start().await;
    let blobs = proptest::collection::vec(proptest::num::u8::ANY, 0..2000);
    let mut runner = TestRunner::deterministic();
    for round in 0..100 {
        let blob = proptest::strategy::Strategy::new_tree(&blobs, &mut runner).unwrap().current();
        let mut raw = if round % 2 == 0 { daemon.raw().await } else { daemon.greeted().await };
        raw.write(&blob).await;
    }
    assert_eq!(daemon.client().await.call(setting("alive")).await.unwrap(), vec![value("alive")]);
}

#[tokio::test]
async fn no_daemon_is_no_error() {
    let (home, _temp) = folders();
    assert!(Client::connect(&home).await.unwrap().is_none());
    assert!(!home.pointer().exists() && home.possible_sockets().iter().all(|socket| !socket.exists()));
}

#[tokio::test]
async fn what_a_killed_daemon_left_is_taken_for_no_daemon_and_the_next_one_takes_its_place() {
    let (home, _temp) = folders();
    let socket = home.prepare_socket().unwrap();
    drop(UnixListener::bind(&socket).unwrap());
    let pointer = Pointer {
        socket: socket.clone(),
        pid: 1,
        version: crate::VERSION.into(),
        protocol: PROTOCOL,
        started_at: Timestamp::UNIX_EPOCH,
    };
    pointer.write(&home).unwrap();
    assert!(socket.exists(), "a killed daemon leaves its socket");
    assert!(Client::connect(&home).await.unwrap().is_none());

    let server = Server::start(&home, Arc::new(TestDesk::default()), Timestamp::UNIX_EPOCH).await.unwrap();
    assert!(Client::connect(&home).await.unwrap().is_some());
    server.stop().await;
}

#[tokio::test]
async fn a_pointer_that_cannot_be_read_does_not_hide_the_daemon() {
    let daemon = Daemon::start().await;
    for text in ["", "{", "[]", "{\"socket\": 4}"] {
        std::fs::write(daemon.home.pointer(), text).unwrap();
        assert!(Client::connect(&daemon.home).await.unwrap().is_some(), "{text:?}");
    }
    std::fs::remove_file(daemon.home.pointer()).unwrap();
    assert!(Client::connect(&daemon.home).await.unwrap().is_some());
}

#[tokio::test]
async fn the_pointer_leads_a_face_of_another_environment_to_the_daemon() {
    let daemon = Daemon::start().await;
    let elsewhere = Home::within(daemon.home.folder(), daemon.home.folder().join("other-runtime"));
    assert!(Client::connect(&elsewhere).await.unwrap().is_some());
}

#[tokio::test]
async fn a_socket_that_answers_is_never_taken_over() {
    let daemon = Daemon::start().await;
    let second = Server::start(&daemon.home, Arc::new(TestDesk::default()), Timestamp::UNIX_EPOCH).await;
    assert_eq!(second.err().unwrap().code, ErrorCode::Conflict);
    assert!(Client::connect(&daemon.home).await.unwrap().is_some(), "the first one still stands");
}

#[tokio::test]
async fn stopping_takes_the_files_away_says_farewell_and_lets_an_act_come_to_its_end() {
    let daemon = Daemon::start().await;
    let client = daemon.client().await;
    let mut announcements = client.subscribe().await.unwrap();
    let act = tokio::spawn({
        let client = client.clone();
        async move { client.call(Stop { containers: vec!["a".into()] }).await }
    });
    let reading = tokio::spawn(async move { client.call(Verify {}).await });
    until(|| daemon.desk.waiting.load(Ordering::SeqCst) == 2).await;

    let (home, desk, socket) =
        (daemon.home.clone(), Arc::clone(&daemon.desk), daemon.server.socket().to_owned());
    let stopping = tokio::spawn(daemon.server.stop());
    until(|| !socket.exists() && !home.pointer().exists()).await;
    assert!(Client::connect(&home).await.unwrap().is_none());
    assert!(matches!(within(announcements.next()).await, Some(Announcement::Gone { .. })));
    assert_eq!(within(announcements.next()).await, None);
    desk.gate.add_permits(1);
    assert_eq!(within(act).await.unwrap().unwrap(), Vec::new(), "its answer still arrives");
    assert_eq!(within(reading).await.unwrap().unwrap_err().code, ErrorCode::DaemonGone);
    within(stopping).await.unwrap();
    assert_eq!(desk.acted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_daemon_that_is_gone_under_a_call_is_said_so_then_and_ever_after() {
    let (home, _temp) = folders();
    let _daemon = false_daemon(&home, vec![FromDaemon::Hello(Hello::ours())]).await;
    let client = Client::connect(&home).await.unwrap().unwrap();
    assert_eq!(within(client.call(Verify {})).await.unwrap_err().code, ErrorCode::DaemonGone);
    assert_eq!(within(client.call(Verify {})).await.unwrap_err().code, ErrorCode::DaemonGone);
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_freezes_under_a_call_that_reads_is_an_error_and_not_a_wait() {
    let (home, _temp) = folders();
    let _daemon = freezing_daemon(&home);
    let client = Client::connect(&home).await.unwrap().unwrap();
    let error = within(client.call(Verify {})).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::DaemonGone);
    assert!(error.message.contains("frozen"), "{error}");
    let act = client.call(Stop { containers: vec!["a".into()] });
    assert!(timeout(10 * PATIENCE, act).await.is_err(), "an act's end is waited for");
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_dies_under_an_act_ends_the_wait() {
    let (home, _temp) = folders();
    let _daemon = false_daemon(&home, vec![FromDaemon::Hello(Hello::ours())]).await;
    let client = Client::connect(&home).await.unwrap().unwrap();
    let error = within(client.call(Stop { containers: vec!["a".into()] })).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::DaemonGone);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_reads_is_waited_for_while_the_daemon_gives_signs_of_life() {
    let daemon = Daemon::start().await;
    let client = daemon.client().await;
    assert!(timeout(10 * PATIENCE, client.call(Verify {})).await.is_err(), "it has no other end");
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_is_not_confirmed_is_an_error_and_not_a_wait() {
    let (home, _temp) = folders();
    let _daemon = freezing_daemon(&home);
    let client = Client::connect(&home).await.unwrap().unwrap();
    let error = within(client.subscribe()).await.err().unwrap();
    assert_eq!(error.code, ErrorCode::DaemonGone);
    assert!(error.message.contains("frozen"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_too_long_for_a_frame_is_a_failure_and_not_a_silence() {
    let daemon = Daemon::start().await;
    let client = daemon.client().await;
    let error = within(client.call(setting("endless"))).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Internal);
    assert!(error.message.contains("ask for less"), "{error}");
    assert_eq!(client.call(setting("after")).await.unwrap(), vec![value("after")]);
}

#[tokio::test]
async fn a_face_cannot_tell_this_process_from_another() {
    let daemon = Daemon::start().await;
    let faces = [Face::Remote(daemon.client().await), Face::Local(Arc::clone(&daemon.desk) as Arc<dyn Desk>)];
    for face in faces {
        let mut announcements = face.subscribe().await.unwrap();
        assert_eq!(face.call(setting("k")).await.unwrap(), vec![value("k")]);
        assert_eq!(face.call(setting("nonsense")).await.unwrap_err().code, ErrorCode::NotFound);
        daemon.desk.announce("a", "b");
        let expected = Announcement::Setting { key: "a".into(), value: "b".into() };
        assert_eq!(within(announcements.next()).await, Some(expected));
    }
}

/// Answers `settings` at once, `verify` never, `stop` when the gate opens; `doctor` panics.
struct TestDesk {
    waiting: AtomicUsize,
    acted: AtomicUsize,
    gate: Semaphore,
    subscribers: Mutex<Vec<mpsc::UnboundedSender<Announcement>>>,
    unheard: Arc<AtomicUsize>,
}

impl Default for TestDesk {
    fn default() -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            acted: AtomicUsize::new(0),
            gate: Semaphore::new(0),
            subscribers: Mutex::default(),
            unheard: Arc::default(),
        }
    }
}

impl TestDesk {
    fn announce(&self, key: &str, value: &str) {
        for subscriber in lock(&self.subscribers).iter() {
            let announcement = Announcement::Setting { key: key.into(), value: value.into() };
            if subscriber.send(announcement).is_ok() {
                self.unheard.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    /// Announcements that nobody has taken off the bus yet.
    fn unheard(&self) -> usize {
        self.unheard.load(Ordering::SeqCst)
    }
}

/// Counts those who wait, also when their waiting is cut off.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn on(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Desk for TestDesk {
    async fn answer(&self, name: &str, args: Value) -> Result<Value, ApiError> {
        match name {
            "settings" if args["key"] == "nonsense" => {
                Err(ApiError::new(ErrorCode::NotFound, "no nonsense here"))
            }
            "settings" if args["key"] == "endless" => Ok("x".repeat(LONGEST_ANSWER).into()),
            "settings" => Ok(serde_json::json!([value(args["key"].as_str().unwrap_or_default())])),
            "verify" => {
                let _waits = Waits::on(&self.waiting);
                std::future::pending().await
            }
            "stop" => {
                let _waits = Waits::on(&self.waiting);
                self.gate.acquire().await.unwrap().forget();
                self.acted.fetch_add(1, Ordering::SeqCst);
                Ok(serde_json::json!([]))
            }
            "doctor" => panic!("the test asked for it"),
            other => Err(ApiError::new(ErrorCode::Usage, format!("no command {other}"))),
        }
    }

    fn announcements(&self) -> Announcements {
        let (sender, receiver) = mpsc::unbounded_channel();
        lock(&self.subscribers).push(sender);
        let unheard = Arc::clone(&self.unheard);
        Box::pin(stream::unfold(receiver, move |mut receiver| {
            let unheard = Arc::clone(&unheard);
            async move {
                let announcement = receiver.recv().await?;
                unheard.fetch_sub(1, Ordering::SeqCst);
                Some((announcement, receiver))
            }
        }))
    }
}

fn setting(key: &str) -> GetSettings {
    GetSettings { key: Some(key.into()) }
}

fn value(key: &str) -> Setting {
    Setting { key: key.into(), value: "v".into(), default: "d".into(), explanation: "e".into(), now: None }
}

/// A server on folders of its own.
struct Daemon {
    server: Server,
    desk: Arc<TestDesk>,
    home: Home,
    _temp: TempDir,
}

impl Daemon {
    async fn start() -> Self {
        let (home, temp) = folders();
        let desk = Arc::new(TestDesk::default());
        let server =
            Server::start(&home, Arc::clone(&desk) as Arc<dyn Desk>, Timestamp::UNIX_EPOCH).await.unwrap();
        Self { server, desk, home, _temp: temp }
    }

    async fn client(&self) -> Client {
        within(Client::connect(&self.home)).await.unwrap().expect("a daemon runs")
    }

    async fn raw(&self) -> Raw {
        Raw::over(UnixStream::connect(self.server.socket()).await.unwrap())
    }

    async fn greeted(&self) -> Raw {
        let mut raw = self.raw().await;
        raw.say(&FromFace::Hello(Hello::ours())).await;
        assert_eq!(raw.hear().await, Some(FromDaemon::Hello(Hello::ours())));
        raw
    }
}

fn folders() -> (Home, TempDir) {
    let temp = tempfile::tempdir().unwrap();
    let home = Home::within(temp.path().join("data"), temp.path().join("run"));
    home.create().unwrap();
    (home, temp)
}

/// A face that says whatever it likes.
struct Raw {
    lines: Lines<BufReader<ReadHalf>>,
    write: WriteHalf,
}

impl Raw {
    fn over(connection: UnixStream) -> Self {
        let (read, write) = connection.into_split();
        Self { lines: Lines::new(BufReader::new(read), LONGEST_ANSWER), write }
    }

    async fn say(&mut self, frame: &FromFace) {
        self.write(&protocol::encode(frame).unwrap()).await;
    }

    /// A daemon that hung up meanwhile is no error: what it said can still be read.
    async fn write(&mut self, bytes: &[u8]) {
        let _ = within(self.write.write_all(bytes)).await;
    }

    /// `None` where the daemon hung up.
    async fn hear(&mut self) -> Option<FromDaemon> {
        let line = within(self.lines.next()).await.ok()??;
        Some(protocol::decode(&line).unwrap())
    }

    async fn hear_failure(&mut self, of: Option<u64>) -> ApiError {
        match self.hear().await {
            Some(FromDaemon::Failed { id, error }) if id == of => error,
            other => panic!("{other:?} instead of a failure of {of:?}"),
        }
    }
}

/// Says its piece to the first face that says hello, reads one more frame, and hangs up on it and all others.
async fn false_daemon(home: &Home, script: Vec<FromDaemon>) -> tokio::task::JoinHandle<()> {
    let listener = UnixListener::bind(home.prepare_socket().unwrap()).unwrap();
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        for frame in script {
            connection.write_all(&protocol::encode(&frame).unwrap()).await.unwrap();
        }
        let mut heard = Vec::new();
        while heard.iter().filter(|byte| **byte == b'\n').count() < 2 {
            if connection.read_buf(&mut heard).await.unwrap() == 0 {
                return;
            }
        }
    })
}

/// Greets the first two faces, keeps them, and does nothing more: whoever comes later waits to be let in.
fn freezing_daemon(home: &Home) -> tokio::task::JoinHandle<()> {
    let listener = UnixListener::bind(home.prepare_socket().unwrap()).unwrap();
    tokio::spawn(async move {
        let mut kept = vec![];
        for _ in 0..2 {
            let (mut connection, _) = listener.accept().await.unwrap();
            let hello = protocol::encode(&FromDaemon::Hello(Hello::ours())).unwrap();
            connection.write_all(&hello).await.unwrap();
            kept.push(connection);
        }
        std::future::pending().await
    })
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it takes far too long")
}

async fn until(condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "it does not come about");
        tokio::task::yield_now().await;
    }
}
