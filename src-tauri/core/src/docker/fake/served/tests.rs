use hyper::{Method, Uri};

use super::filters::Filters;
use super::idiom::{Form, Idiom};
use super::routes::{Act, Asked, read};
use super::waiting::Until;

fn asked(method: &str, target: &str) -> Option<Asked> {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let uri: Uri = target.parse().unwrap();
    read(&method, &uri, Idiom::Api144).map(|(_, asked)| asked).ok()
}

fn act(name: &str, act: Act) -> Option<Asked> {
    Some(Asked::Act(name.to_owned(), act))
}

#[test]
fn a_request_is_read_with_or_without_a_version_before_it() {
    let form = Form::newest(Idiom::Api144);
    let labelled = Filters::read(Some(r#"{"label":["a=b"]}"#), form).ok().unwrap();
    let cases = [
        ("GET", "/_ping", Some(Asked::Ping)),
        ("HEAD", "/v1.44/_ping", Some(Asked::Ping)),
        ("POST", "/_ping", None),
        ("GET", "/v1.24/version", Some(Asked::Version)),
        ("GET", "/containers/json", Some(Asked::List { all: false, filters: Filters::default() })),
        (
            "GET",
            "/v1.41/containers/json?all=1&filters=%7B%22label%22%3A%7B%22a%3Db%22%3Atrue%7D%7D",
            Some(Asked::List { all: true, filters: labelled }),
        ),
        ("GET", "/containers/a%2Fb/json", Some(Asked::Inspect("a/b".to_owned()))),
        ("POST", "/containers/web/stop?t=5", act("web", Act::Stop(Some(5)))),
        ("POST", "/containers/web/stop?t=-1&signal=", act("web", Act::Stop(Some(-1)))),
        ("POST", "/containers/web/restart", act("web", Act::Restart(None))),
        ("POST", "/containers/web/stop?t=soon", None),
        ("POST", "/containers/web/kill", act("web", Act::Kill(9))),
        ("POST", "/containers/web/kill?signal=SIGTERM", act("web", Act::Kill(15))),
        ("POST", "/containers/web/kill?signal=1", act("web", Act::Kill(1))),
        ("POST", "/containers/web/kill?signal=0", None),
        ("POST", "/containers/web/rename?name=a+b", act("web", Act::Rename("a b".to_owned()))),
        ("POST", "/containers/web/rename", None),
        ("DELETE", "/containers/web?force=1&v=1", act("web", Act::Remove { force: true })),
        ("DELETE", "/containers/web", act("web", Act::Remove { force: false })),
        ("POST", "/containers/create?name=web", Some(Asked::Create { name: "web".to_owned() })),
        ("POST", "/containers/web/wait", Some(Asked::Wait("web".to_owned(), Until::NotRunning))),
        (
            "POST",
            "/containers/web/wait?condition=next-exit",
            Some(Asked::Wait("web".to_owned(), Until::NextExit)),
        ),
        ("POST", "/containers/web/wait?condition=doomsday", None),
        ("POST", "/containers/web/dance", None),
        ("GET", "/images/json", None),
        ("GET", "/v1.45/info", None),
        ("GET", "/v1.23/info", None),
        ("GET", "/", None),
    ];
    for (method, target, expected) in cases {
        assert_eq!(asked(method, target), expected, "{method} {target}");
    }
}

#[test]
fn an_idiom_answers_every_client_that_it_still_knows() {
    for idiom in Idiom::ALL {
        assert_eq!(idiom.form(None).unwrap(), Form::newest(idiom));
        assert_eq!(idiom.form(Some(idiom.api())).unwrap(), Form::newest(idiom));
        let oldest = idiom.form(Some(idiom.oldest_api())).unwrap();
        assert!(oldest.minor < Form::newest(idiom).minor);
        assert!(idiom.form(Some("2.0")).is_err() && idiom.form(Some("1.x")).is_err());
        assert_eq!(idiom.form(Some("1.99")).is_ok(), idiom == Idiom::Podman, "{idiom:?}");
    }
}
