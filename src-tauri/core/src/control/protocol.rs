//! What a face and a daemon say to each other over the socket: newline-delimited JSON frames.
//!
//! Both begin with a [`Hello`]. Its fields never change meaning, so that any two versions can tell each other that
//! they do not fit. Then the face calls, as many at a time as it likes, each call under an id of its choice, and the
//! daemon answers in whatever order it is done. One subscription on a connection adds announcements to that.

use std::io;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use super::shapes::{Announcement, ApiError, ErrorCode};

/// Raised whenever a frame or the shape of an answer changes so that the other side would misread it.
pub const PROTOCOL: u32 = 1;

/// The longest frame a daemon takes from a face. Calls carry names and settings; a mebibyte is a thousand times that.
pub const LONGEST_CALL: usize = 1 << 20;

/// The longest frame a face takes from a daemon: a snapshot of 10,000 containers has about 8 MiB.
pub const LONGEST_ANSWER: usize = 64 << 20;

/// Announcements from now on, ending with [`Announcement::Gone`].
pub type Announcements = BoxStream<'static, Announcement>;

/// What the socket's server needs of the daemon.
#[async_trait]
pub trait Desk: Send + Sync + 'static {
    /// Answers the command of that name on the wire.
    async fn answer(&self, name: &str, args: Value) -> Result<Value, ApiError>;

    /// Announcements from now on. Subscribing first and asking for a snapshot then misses nothing.
    fn announcements(&self) -> Announcements;
}

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub version: String,
    pub protocol: u32,
    pub pid: u32,
}

impl Hello {
    #[must_use]
    pub fn ours() -> Self {
        Self { version: crate::VERSION.to_owned(), protocol: PROTOCOL, pid: std::process::id() }
    }

    /// Nothing where both speak the same protocol, else what to tell the user of the face.
    pub fn fits(&self, daemon: &Self) -> Result<(), ApiError> {
        if self.protocol == daemon.protocol {
            return Ok(());
        }
        let older = if self.protocol < daemon.protocol {
            "update this program"
        } else {
            "stop that daemon and start it again with this program's version"
        };
        Err(ApiError::new(
            ErrorCode::Version,
            format!(
                "this is tinyforge {} (protocol {}), and the daemon that runs here (pid {}) is tinyforge {} (protocol {}): {older}",
                self.version, self.protocol, daemon.pid, daemon.version, daemon.protocol
            ),
        ))
    }
}

/// What a face says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromFace {
    Hello(Hello),
    Call {
        id: u64,
        command: String,
        #[serde(default)]
        args: Value,
    },
    /// The answer is no longer wanted. What only reads is dropped; what acts is carried to its end.
    Cancel {
        id: u64,
    },
    /// Announcements from the moment on at which [`FromDaemon::Subscribed`] is sent.
    Subscribe {
        id: u64,
    },
}

/// What a daemon says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromDaemon {
    Hello(Hello),
    Answer {
        id: u64,
        value: Value,
    },
    /// Without an id: the frame itself could not be used, or the connection is refused.
    Failed {
        id: Option<u64>,
        error: ApiError,
    },
    Subscribed {
        id: u64,
    },
    Announced(Box<Announcement>),
}

/// One frame, its newline included. JSON itself contains none.
pub fn encode<F: Serialize>(frame: &F) -> Result<Vec<u8>, ApiError> {
    let mut line = serde_json::to_vec(frame).map_err(|error| {
        ApiError::new(ErrorCode::Internal, format!("a frame could not be written as JSON: {error}"))
    })?;
    line.push(b'\n');
    Ok(line)
}

/// The frame in a line.
pub fn decode<F: DeserializeOwned>(line: &[u8]) -> Result<F, ApiError> {
    serde_json::from_slice(line).map_err(|error| {
        ApiError::new(ErrorCode::Usage, format!("this is not a frame of the protocol: {error}"))
    })
}

/// The id in a frame that is otherwise not understood, so that its sender learns which one it was.
#[must_use]
pub fn id_in(line: &[u8]) -> Option<u64> {
    let frame: Value = serde_json::from_slice(line).ok()?;
    frame.as_object()?.values().find_map(|body| body.get("id")?.as_u64())
}

/// Why no further frame can be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("a frame has more than {limit} bytes")]
    TooLong { limit: usize },
    #[error("reading from the socket failed: {0}")]
    Io(#[from] io::Error),
}

/// Cuts a byte stream into lines of a bounded length. Cancel-safe: what was read of a line is kept in here.
pub struct Lines<R> {
    reader: R,
    limit: usize,
    line: Vec<u8>,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub fn new(reader: R, limit: usize) -> Self {
        Self { reader, limit, line: Vec::new() }
    }

    /// The next line without its newline; `None` at the end. A line that the end cuts off is dropped: its sender
    /// did not finish it.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        loop {
            let seen = self.reader.fill_buf().await?;
            if seen.is_empty() {
                return Ok(None);
            }
            let end = seen.iter().position(|byte| *byte == b'\n');
            let part = end.map_or(seen, |end| seen.get(..end).unwrap_or(seen));
            if self.line.len() + part.len() > self.limit {
                return Err(FrameError::TooLong { limit: self.limit });
            }
            self.line.extend_from_slice(part);
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                return Ok(Some(std::mem::take(&mut self.line)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::BufReader;

    use super::*;

    fn hello(protocol: u32) -> Hello {
        Hello { version: format!("{protocol}.0.0"), protocol, pid: 7 }
    }

    #[test]
    fn frames_read_as_the_protocol_says() {
        let cases = [
            (FromFace::Hello(hello(1)), r#"{"hello":{"version":"1.0.0","protocol":1,"pid":7}}"#),
            (
                FromFace::Call { id: 3, command: "ps".into(), args: serde_json::json!({"all": true}) },
                r#"{"call":{"id":3,"command":"ps","args":{"all":true}}}"#,
            ),
            (FromFace::Cancel { id: 3 }, r#"{"cancel":{"id":3}}"#),
            (FromFace::Subscribe { id: 4 }, r#"{"subscribe":{"id":4}}"#),
        ];
        for (frame, text) in cases {
            assert_eq!(String::from_utf8(encode(&frame).unwrap()).unwrap(), format!("{text}\n"));
            assert_eq!(decode::<FromFace>(text.as_bytes()).unwrap(), frame);
        }
    }

    #[test]
    fn a_newline_inside_a_value_does_not_cut_the_frame() {
        let frame = FromFace::Call { id: 1, command: "a\nb".into(), args: Value::Null };
        let line = encode(&frame).unwrap();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert_eq!(decode::<FromFace>(&line).unwrap(), frame);
    }

    #[test]
    fn a_hello_of_a_later_version_is_understood_as_far_as_it_goes() {
        let line = br#"{"hello":{"version":"9.1.0","protocol":9,"pid":1,"mood":"good"}}"#;
        let FromFace::Hello(theirs) = decode(line).unwrap() else { panic!("not a hello") };
        assert_eq!((theirs.version.as_str(), theirs.protocol), ("9.1.0", 9));
    }

    #[test]
    fn protocols_that_differ_are_told_with_both_versions_and_what_to_do() {
        assert_eq!(hello(2).fits(&hello(2)), Ok(()));
        let older_face = hello(1).fits(&hello(2)).unwrap_err();
        assert_eq!(older_face.code, ErrorCode::Version);
        assert!(older_face.message.contains("1.0.0") && older_face.message.contains("2.0.0"), "{older_face}");
        assert!(older_face.message.contains("update this program"), "{older_face}");
        let older_daemon = hello(2).fits(&hello(1)).unwrap_err();
        assert!(older_daemon.message.contains("stop that daemon"), "{older_daemon}");
    }

    #[test]
    fn the_id_of_a_frame_that_is_not_understood_is_still_found() {
        assert_eq!(id_in(br#"{"call":{"id":12,"command":4}}"#), Some(12));
        assert_eq!(id_in(br#"{"dance":{"id":12}}"#), Some(12));
        assert_eq!(id_in(br#"{"call":{"id":"12"}}"#), None);
        assert_eq!(id_in(br#"[1]"#), None);
        assert_eq!(id_in(b"\xff\xfe"), None);
    }

    async fn lines(bytes: &[u8], limit: usize) -> (Vec<Vec<u8>>, Option<FrameError>) {
        // A small buffer makes every line arrive in pieces.
        let mut lines = Lines::new(BufReader::with_capacity(3, bytes), limit);
        let mut read = Vec::new();
        loop {
            match lines.next().await {
                Ok(Some(line)) => read.push(line),
                Ok(None) => return (read, None),
                Err(error) => return (read, Some(error)),
            }
        }
    }

    #[tokio::test]
    async fn lines_arrive_whole_and_one_that_is_cut_off_is_dropped() {
        let (read, error) = lines(b"one\n\nthree and more\ncut", 100).await;
        assert_eq!(read, [b"one".to_vec(), Vec::new(), b"three and more".to_vec()]);
        assert!(error.is_none());
    }

    #[tokio::test]
    async fn a_line_beyond_the_limit_ends_the_reading() {
        let (read, error) = lines(b"12345\n123456\n1\n", 5).await;
        assert_eq!(read, [b"12345".to_vec()]);
        assert!(matches!(error, Some(FrameError::TooLong { limit: 5 })));
    }

    proptest! {
        /// Whatever arrives is either a frame or an error that names itself a wrong usage: never a panic.
        #[test]
        fn any_bytes_are_a_frame_or_a_usage_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for error in [decode::<FromFace>(&bytes).err(), decode::<FromDaemon>(&bytes).err()].into_iter().flatten() {
                prop_assert_eq!(error.code, ErrorCode::Usage);
            }
            let _ = id_in(&bytes);
        }

        /// A frame with any byte changed is either a frame or a usage error.
        #[test]
        fn a_damaged_frame_is_a_frame_or_a_usage_error(at in 0usize..60, byte in any::<u8>()) {
            let mut line = encode(&FromFace::Call { id: 3, command: "ps".into(), args: serde_json::json!({"all": true}) }).unwrap();
            let at = at % line.len();
            line[at] = byte;
            if let Err(error) = decode::<FromFace>(&line) {
                prop_assert_eq!(error.code, ErrorCode::Usage);
            }
        }

        /// Cutting into lines loses nothing and adds nothing, whatever the sizes of the pieces.
        #[test]
        fn lines_put_together_again_are_the_bytes(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..300)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (read, error) = runtime.block_on(lines(&bytes, 1000));
            prop_assert!(error.is_none());
            let mut whole = read.join(&b'\n');
            if !read.is_empty() { whole.push(b'\n'); }
            prop_assert!(bytes.starts_with(&whole));
            prop_assert!(!bytes[whole.len()..].contains(&b'\n'));
        }
    }
}
