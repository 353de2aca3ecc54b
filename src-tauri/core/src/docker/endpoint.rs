//! Where an engine is reached, as `DOCKER_HOST` and Docker's contexts write it.

use std::fmt;
use std::path::PathBuf;

use super::EngineError;

/// An address of an engine's API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    Unix(PathBuf),
    /// Plain HTTP. An IPv6 host stands without its brackets.
    Tcp {
        host: String,
        port: u16,
    },
    /// Through `ssh` and the Docker command line on the other side, as the Docker command line itself does it.
    Ssh {
        destination: String,
        port: Option<u16>,
    },
}

/// Docker's port for plain HTTP.
const PLAIN_PORT: u16 = 2375;

impl Endpoint {
    /// Reads what a user wrote.
    ///
    /// # Errors
    /// [`EngineError::Endpoint`], with what is understood, for anything else.
    pub fn parse(text: &str) -> Result<Self, EngineError> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("unix://") {
            return Self::unix(path, text);
        }
        if text.starts_with('/') {
            return Self::unix(text, text);
        }
        match text.split_once("://") {
            Some(("tcp" | "http", rest)) => Self::tcp(rest, text),
            Some(("ssh", rest)) => Self::ssh(rest, text),
            Some(("https", _)) => Err(tls(text)),
            Some(("npipe", _)) => Err(EngineError::Endpoint(format!(
                "{text}: Windows' named pipes are not served yet; let the engine listen on tcp:// or ssh://"
            ))),
            Some((scheme, _)) => Err(EngineError::Endpoint(format!(
                "{text}: the scheme '{scheme}' is not known; unix://, tcp:// and ssh:// are"
            ))),
            None => Self::tcp(text, text),
        }
    }

    fn unix(path: &str, text: &str) -> Result<Self, EngineError> {
        match path {
            "" => Err(EngineError::Endpoint(format!("{text}: no path to a socket follows"))),
            path => Ok(Self::Unix(PathBuf::from(path))),
        }
    }

    fn tcp(rest: &str, text: &str) -> Result<Self, EngineError> {
        let unreadable =
            || EngineError::Endpoint(format!("{text}: not a host and a port, as in tcp://10.0.0.5:2375"));
        let (host, port) = host_and_port(rest.trim_end_matches('/')).ok_or_else(unreadable)?;
        Ok(Self::Tcp { host, port: port.unwrap_or(PLAIN_PORT) })
    }

    fn ssh(rest: &str, text: &str) -> Result<Self, EngineError> {
        let unreadable =
            || EngineError::Endpoint(format!("{text}: not a user and a host, as in ssh://me@server"));
        let (user, at) = match rest.trim_end_matches('/').rsplit_once('@') {
            Some((user, at)) => (Some(user), at),
            None => (None, rest.trim_end_matches('/')),
        };
        let (host, port) = host_and_port(at).ok_or_else(unreadable)?;
        // It becomes an argument of ssh: what begins with a dash would be read as an option.
        if host.starts_with('-')
            || user.is_some_and(|u| u.is_empty() || u.starts_with('-') || u.contains(':'))
        {
            return Err(unreadable());
        }
        let destination = user.map_or_else(|| host.clone(), |user| format!("{user}@{host}"));
        Ok(Self::Ssh { destination, port })
    }

    /// Whether the engine runs on this machine: only then do its published ports answer on loopback.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp { .. } | Self::Ssh { .. } => false,
        }
    }

    /// What stands in the `Host` header.
    pub(super) fn authority(&self) -> String {
        match self {
            Self::Unix(_) | Self::Ssh { .. } => "localhost".to_owned(),
            Self::Tcp { host, port } => bracketed(host, *port),
        }
    }
}

/// What to say where only TLS would do.
pub(super) fn tls(endpoint: &str) -> EngineError {
    EngineError::Endpoint(format!(
        "{endpoint} asks for TLS, which is not served yet; reach the engine by ssh://user@host instead (DOCKER_HOST, or `docker context create`)"
    ))
}

fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, after.strip_prefix(':').or_else(|| after.is_empty().then_some("")))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, Some("")),
        },
    };
    let well_formed = !host.is_empty() && !host.contains(['/', '?', '#', ' ']);
    let port = match port? {
        "" => None,
        port => Some(port.parse().ok()?),
    };
    well_formed.then(|| (host.to_owned(), port))
}

fn bracketed(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port } => write!(f, "tcp://{}", bracketed(host, *port)),
            Self::Ssh { destination, port: Some(port) } => write!(f, "ssh://{destination}:{port}"),
            Self::Ssh { destination, port: None } => write!(f, "ssh://{destination}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_writes_is_read_and_written_back() {
        let cases = [
            ("unix:///var/run/docker.sock", "unix:///var/run/docker.sock"),
            (" unix:///a b.sock ", "unix:///a b.sock"),
            ("/run/docker.sock", "unix:///run/docker.sock"),
            ("tcp://10.0.0.5:2375", "tcp://10.0.0.5:2375"),
            ("tcp://10.0.0.5", "tcp://10.0.0.5:2375"),
            ("http://box:80/", "tcp://box:80"),
            ("box:2375", "tcp://box:2375"),
            ("tcp://[::1]:2375", "tcp://[::1]:2375"),
            ("ssh://me@server", "ssh://me@server"),
            ("ssh://me@server:2222/", "ssh://me@server:2222"),
            ("ssh://server", "ssh://server"),
        ];
        for (text, back) in cases {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), back, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_used_says_what_can() {
        let cases = [
            ("unix://", "no path"),
            ("tcp://", "10.0.0.5:2375"),
            ("tcp://box:http", "10.0.0.5:2375"),
            ("tcp://[::1", "10.0.0.5:2375"),
            ("ssh://", "ssh://me@server"),
            ("ssh://-oProxyCommand=x", "ssh://me@server"),
            ("ssh://-x@server", "ssh://me@server"),
            ("https://box:2376", "ssh://"),
            ("npipe:////./pipe/docker_engine", "ssh://"),
            ("ftp://box", "unix://"),
            ("", "tcp://"),
        ];
        for (text, hint) in cases {
            let error = Endpoint::parse(text).unwrap_err();
            assert!(error.to_string().contains(hint), "{text}: {error}");
            assert!(matches!(error, EngineError::Endpoint(_)));
        }
    }
}
