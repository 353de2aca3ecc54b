//! Which engine is meant.
//!
//! In this order, as Docker's own command line does it and then some: `DOCKER_HOST`; `DOCKER_CONTEXT`; the current
//! context of Docker's configuration; the usual sockets, of which the first that lets a caller in is taken. What was
//! decided says why, and what was not found says where it was looked for.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::bollard::DockerEngine;
use super::endpoint::{Endpoint, tls};
use super::{EngineError, SharedEngine, wire};
use std::sync::Arc;

/// What a process knows about where its engine may be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    pub docker_host: Option<String>,
    pub docker_context: Option<String>,
    /// `DOCKER_CONFIG`: a folder.
    pub docker_config: Option<PathBuf>,
    pub docker_tls_verify: bool,
    pub home: Option<PathBuf>,
    pub runtime_dir: Option<PathBuf>,
}

impl Environment {
    /// This process's own. An empty variable counts as absent.
    #[must_use]
    pub fn of_process() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|v| !v.trim().is_empty());
        Self {
            docker_host: text("DOCKER_HOST"),
            docker_context: text("DOCKER_CONTEXT"),
            docker_config: text("DOCKER_CONFIG").map(PathBuf::from),
            docker_tls_verify: text("DOCKER_TLS_VERIFY").is_some(),
            home: text("HOME").or_else(|| text("USERPROFILE")).map(PathBuf::from),
            runtime_dir: text("XDG_RUNTIME_DIR").map(PathBuf::from),
        }
    }

    /// Docker's configuration folder.
    fn config_folder(&self) -> Option<PathBuf> {
        self.docker_config.clone().or_else(|| self.home.as_ref().map(|home| home.join(".docker")))
    }
}

/// Why an endpoint was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    DockerHost,
    /// A context's name, and whether the environment or the configuration names it.
    Context {
        name: String,
        named_by: NamedBy,
    },
    /// The first of the usual sockets that lets a caller in.
    Usual {
        of: &'static str,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    Environment,
    Configuration,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DockerHost => f.write_str("DOCKER_HOST says so"),
            Self::Context { name, named_by: NamedBy::Environment } => {
                write!(f, "the context '{name}' of DOCKER_CONTEXT")
            }
            Self::Context { name, named_by: NamedBy::Configuration } => {
                write!(f, "the current context '{name}'")
            }
            Self::Usual { of } => write!(f, "the usual socket of {of}"),
        }
    }
}

/// An endpoint, and why it is the one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub endpoint: Endpoint,
    pub why: Why,
}

/// The endpoint that is meant: certain, or to be found out by knocking at the usual doors in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meant {
    This(Choice),
    FirstOf(Vec<Choice>),
}

/// What Docker's configuration folder holds, as far as it decides.
pub trait Contexts {
    /// The current context's name in `config.json`.
    fn current(&self) -> Option<String>;
    /// The host of a context's Docker endpoint, and whether it brings TLS material.
    fn host(&self, name: &str) -> Option<ContextHost>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextHost {
    pub host: String,
    pub tls: bool,
}

/// The context that stands for no context.
const DEFAULT_CONTEXT: &str = "default";

/// What is meant, from what is known. Touches nothing.
///
/// # Errors
/// [`EngineError::Endpoint`] where what the user named cannot be used.
pub fn choose(environment: &Environment, contexts: &impl Contexts) -> Result<Meant, EngineError> {
    if let Some(host) = &environment.docker_host {
        if environment.docker_tls_verify && !host.starts_with("unix:") && !host.starts_with("ssh:") {
            return Err(tls(host));
        }
        return Ok(Meant::This(Choice { endpoint: Endpoint::parse(host)?, why: Why::DockerHost }));
    }
    let named = match &environment.docker_context {
        Some(name) => Some((name.clone(), NamedBy::Environment)),
        None => contexts.current().map(|name| (name, NamedBy::Configuration)),
    };
    match named {
        Some((name, named_by)) if name != DEFAULT_CONTEXT => {
            let Some(context) = contexts.host(&name) else {
                return Err(EngineError::Endpoint(format!(
                    "Docker's context '{name}' does not exist or cannot be read"
                )));
            };
            if context.tls && !context.host.starts_with("unix:") && !context.host.starts_with("ssh:") {
                return Err(tls(&context.host));
            }
            let why = Why::Context { name, named_by };
            Ok(Meant::This(Choice { endpoint: Endpoint::parse(&context.host)?, why }))
        }
        _ => Ok(Meant::FirstOf(usual(environment))),
    }
}

/// The sockets of the engines that people have, the system's own first.
fn usual(environment: &Environment) -> Vec<Choice> {
    let home = |path: &str| environment.home.as_ref().map(|home| home.join(path));
    let runtime = |path: &str| environment.runtime_dir.as_ref().map(|dir| dir.join(path));
    [
        (Some(PathBuf::from("/var/run/docker.sock")), "Docker"),
        (home(".docker/desktop/docker.sock"), "Docker Desktop"),
        (home(".docker/run/docker.sock"), "Docker Desktop"),
        (home(".colima/default/docker.sock"), "Colima"),
        (home(".orbstack/run/docker.sock"), "OrbStack"),
        (runtime("docker.sock"), "rootless Docker"),
        (runtime("podman/podman.sock"), "rootless Podman"),
        (Some(PathBuf::from("/run/podman/podman.sock")), "Podman"),
    ]
    .into_iter()
    .filter_map(|(path, of)| Some(Choice { endpoint: Endpoint::Unix(path?), why: Why::Usual { of } }))
    .collect()
}

/// The engine that is meant by this environment, found at the edge: configuration is read, usual sockets are tried.
///
/// # Errors
/// [`EngineError::Endpoint`] for a configuration that cannot be used; [`EngineError::Absent`], with the list of what
/// was tried, where no usual socket exists; else what was wrong with the first that does.
pub async fn discover(environment: &Environment) -> Result<Choice, EngineError> {
    let contexts = ContextFiles { folder: environment.config_folder() };
    match choose(environment, &contexts)? {
        Meant::This(choice) => Ok(choice),
        Meant::FirstOf(choices) => first_that_lets_in(choices).await,
    }
}

/// What is meant, for messages, before anything was found.
#[must_use]
pub fn meant(environment: &Environment) -> String {
    let contexts = ContextFiles { folder: environment.config_folder() };
    match choose(environment, &contexts) {
        Ok(Meant::This(choice)) => choice.endpoint.to_string(),
        Ok(Meant::FirstOf(choices)) => choices
            .first()
            .map_or_else(|| "any of the usual sockets".to_owned(), |choice| choice.endpoint.to_string()),
        Err(error) => error.to_string(),
    }
}

/// [`discover`], and the door to what was found.
///
/// # Errors
/// As [`discover`].
pub async fn open(environment: &Environment) -> Result<(SharedEngine, Choice), EngineError> {
    let choice = discover(environment).await?;
    let engine: SharedEngine = Arc::new(DockerEngine::new(&choice.endpoint)?);
    Ok((engine, choice))
}

async fn first_that_lets_in(choices: Vec<Choice>) -> Result<Choice, EngineError> {
    let mut turned_away = None;
    let tried: Vec<String> = choices.iter().map(|c| c.endpoint.to_string()).collect();
    for choice in choices {
        match wire::connect(&choice.endpoint).await {
            Ok(_) => return Ok(choice),
            Err(error) => match wire::not_let_in(&choice.endpoint.to_string(), "find the engine", &error) {
                EngineError::Absent { .. } if error.kind() == std::io::ErrorKind::NotFound => {}
                other => {
                    turned_away.get_or_insert(other);
                }
            },
        }
    }
    Err(turned_away.unwrap_or_else(|| EngineError::Absent {
        endpoint: "any of the usual sockets".to_owned(),
        detail: format!("tried {}", tried.join(", ")),
    }))
}

// ---- Docker's configuration folder ----------------------------------------------------------------------------

struct ContextFiles {
    folder: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigFile {
    current_context: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetaFile {
    name: String,
    #[serde(default)]
    endpoints: MetaEndpoints,
}

#[derive(Deserialize, Default)]
struct MetaEndpoints {
    docker: Option<MetaEndpoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetaEndpoint {
    host: Option<String>,
}

impl Contexts for ContextFiles {
    fn current(&self) -> Option<String> {
        let file = std::fs::read(self.folder.as_ref()?.join("config.json")).ok()?;
        let config: ConfigFile = serde_json::from_slice(&file).ok()?;
        config.current_context.filter(|name| !name.is_empty())
    }

    /// Docker keeps each context in a folder named by the SHA-256 of its name. The name stands in the file as well,
    /// so it is found by looking at all of them: there are a handful.
    fn host(&self, name: &str) -> Option<ContextHost> {
        let contexts = self.folder.as_ref()?.join("contexts");
        std::fs::read_dir(contexts.join("meta")).ok()?.flatten().find_map(|entry| {
            let meta = read_meta(&entry.path().join("meta.json"))?;
            let host = meta.endpoints.docker?.host.filter(|_| meta.name == name)?;
            let tls = contexts.join("tls").join(entry.file_name()).join("docker").is_dir();
            Some(ContextHost { host, tls })
        })
    }
}

fn read_meta(path: &Path) -> Option<MetaFile> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Default)]
    struct Known {
        current: Option<&'static str>,
        hosts: BTreeMap<&'static str, (&'static str, bool)>,
    }

    impl Contexts for Known {
        fn current(&self) -> Option<String> {
            self.current.map(str::to_owned)
        }

        fn host(&self, name: &str) -> Option<ContextHost> {
            self.hosts.get(name).map(|(host, tls)| ContextHost { host: (*host).to_owned(), tls: *tls })
        }
    }

    fn check(environment: &[(&str, &str)], current: Option<&'static str>) -> String {
        let get = |key: &str| environment.iter().find(|(k, _)| *k == key).map(|(_, v)| (*v).to_owned());
        let environment = Environment {
            docker_host: get("host"),
            docker_context: get("context"),
            docker_tls_verify: get("tls").is_some(),
            home: Some("/home/me".into()),
            ..Environment::default()
        };
        let hosts = BTreeMap::from([
            ("desk", ("unix:///desk.sock", false)),
            ("far", ("ssh://me@far", false)),
            ("cert", ("tcp://far:2376", true)),
            ("odd", ("gopher://far", false)),
        ]);
        match choose(&environment, &Known { current, hosts }) {
            Ok(Meant::This(choice)) => format!("{}: {}", choice.endpoint, choice.why),
            Ok(Meant::FirstOf(_)) => "usual".to_owned(),
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn the_most_explicit_word_wins() {
        let cases: [(&[(&str, &str)], Option<&'static str>, &str); 13] = [
            (&[], None, "usual"),
            (&[], Some("default"), "usual"),
            (&[("context", "default")], Some("desk"), "usual"),
            (&[], Some("desk"), "unix:///desk.sock: the current context 'desk'"),
            (&[("context", "far")], Some("desk"), "ssh://me@far: the context 'far' of DOCKER_CONTEXT"),
            (
                &[("host", "unix:///x.sock"), ("context", "far")],
                Some("desk"),
                "unix:///x.sock: DOCKER_HOST says so",
            ),
            (&[("host", "unix:///x.sock"), ("tls", "1")], None, "unix:///x.sock: DOCKER_HOST says so"),
            (&[("host", "ssh://me@far"), ("tls", "1")], None, "ssh://me@far: DOCKER_HOST says so"),
            (&[("host", "tcp://far:2376"), ("tls", "1")], None, "! tcp://far:2376 asks for TLS"),
            (&[("host", "tcp://far:2375")], None, "tcp://far:2375: DOCKER_HOST says so"),
            (&[("context", "gone")], None, "! Docker's context 'gone' does not exist"),
            (&[], Some("cert"), "! tcp://far:2376 asks for TLS"),
            (&[], Some("odd"), "! gopher://far: the scheme 'gopher' is not known"),
        ];
        for (environment, current, expected) in cases {
            let found = check(environment, current);
            assert!(found.starts_with(expected), "{environment:?} {current:?}: {found}");
        }
    }

    #[test]
    fn the_usual_sockets_are_those_that_this_environment_can_have() {
        let all =
            Environment { home: Some("/h".into()), runtime_dir: Some("/r".into()), ..Environment::default() };
        assert_eq!(usual(&all).len(), 8);
        let bare: Vec<String> =
            usual(&Environment::default()).iter().map(|c| c.endpoint.to_string()).collect();
        assert_eq!(bare, ["unix:///var/run/docker.sock", "unix:///run/podman/podman.sock"]);
    }

    #[test]
    fn contexts_are_read_from_dockers_own_folder() {
        let folder = tempfile::tempdir().unwrap();
        let meta = folder
            .path()
            .join("contexts/meta/2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae");
        std::fs::create_dir_all(&meta).unwrap();
        std::fs::write(folder.path().join("config.json"), r#"{"auths":{},"currentContext":"foo"}"#).unwrap();
        std::fs::write(
            meta.join("meta.json"),
            r#"{"Name":"foo","Metadata":{"Description":"d"},"Endpoints":{"docker":{"Host":"ssh://me@far","SkipTLSVerify":false}}}"#,
        )
        .unwrap();
        let environment = Environment { docker_config: Some(folder.path().into()), ..Environment::default() };
        let files = ContextFiles { folder: environment.config_folder() };
        let why = Why::Context { name: "foo".into(), named_by: NamedBy::Configuration };
        let endpoint = Endpoint::parse("ssh://me@far").unwrap();
        assert_eq!(choose(&environment, &files).unwrap(), Meant::This(Choice { endpoint, why }));
        assert_eq!(files.host("bar"), None);
        std::fs::write(folder.path().join("config.json"), "not json").unwrap();
        assert_eq!(files.current(), None, "a damaged configuration names no context");
    }

    #[tokio::test]
    async fn of_the_usual_sockets_the_first_that_lets_in_is_taken_and_else_the_reason_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| {
            let endpoint = Endpoint::Unix(folder.path().join(name));
            Choice { endpoint, why: Why::Usual { of: "a test" } }
        };
        let nothing = first_that_lets_in(vec![at("a"), at("b")]).await.unwrap_err();
        assert!(matches!(nothing, EngineError::Absent { .. }), "{nothing}");
        assert!(nothing.to_string().contains("/b"), "it lists what was tried: {nothing}");

        drop(tokio::net::UnixListener::bind(folder.path().join("stale")).unwrap());
        let stopped = first_that_lets_in(vec![at("a"), at("stale")]).await.unwrap_err();
        assert!(stopped.to_string().contains("stopped"), "{stopped}");

        let _listener = tokio::net::UnixListener::bind(folder.path().join("alive")).unwrap();
        let found = first_that_lets_in(vec![at("stale"), at("alive"), at("b")]).await.unwrap();
        assert_eq!(found, at("alive"));
    }
}
