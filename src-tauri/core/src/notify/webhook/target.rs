//! Where the webhook leads, as somebody wrote it.

use core::net::IpAddr;

use url::{Host, Url};

use crate::rules::outgoing::{Refusal, refused, refused_name};

const LONGEST: usize = 2_048;

/// A URL that may be sent to. It never prints more of itself than its origin.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
}

/// Why a text is no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    #[error("this is no URL ({0}); write it whole, as https://example.com/hooks/1")]
    NoUrl(url::ParseError),
    #[error("only http and https are spoken, not {0}; write it as https://example.com/hooks/1")]
    Scheme(String),
    #[error(
        "a user name or a password in the URL is not sent; let the receiver check the signature, or put a token into the path"
    )]
    Credentials,
    #[error("the URL is longer than {LONGEST} bytes")]
    TooLong,
    #[error("{host} is {}, which is never sent to", why.words())]
    Refused { host: String, why: Refusal },
}

impl Target {
    pub fn parse(text: &str) -> Result<Self, BadTarget> {
        if text.len() > LONGEST {
            return Err(BadTarget::TooLong);
        }
        let mut url = Url::parse(text.trim()).map_err(BadTarget::NoUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadTarget::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadTarget::Credentials);
        }
        url.set_fragment(None);
        let target = Self { url };
        match target.refused() {
            Some(why) => Err(BadTarget::Refused { host: target.host(), why }),
            None => Ok(target),
        }
    }

    /// What the host alone, before anybody resolves it, is refused for.
    fn refused(&self) -> Option<Refusal> {
        match self.url.host()? {
            Host::Domain(name) => refused_name(name),
            Host::Ipv4(address) => refused(IpAddr::V4(address)),
            Host::Ipv6(address) => refused(IpAddr::V6(address)),
        }
    }

    /// The whole of it: a secret.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.url.as_str()
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The host, as a certificate names it and a resolver takes it.
    #[must_use]
    pub fn host(&self) -> String {
        match self.url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => String::new(),
        }
    }

    /// As the header `Host` says it.
    pub(super) fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    pub(super) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(443)
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }

    pub(super) fn path(&self) -> String {
        let query = self.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{query}", self.url.path())
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Target({}/…)", self.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_sent_to_is_taken_apart_and_shows_only_its_origin() {
        let cases = [
            ("https://hooks.example.com/a/token?x=1#y", "https://hooks.example.com", "/a/token?x=1", 443),
            (" http://localhost:8080 ", "http://localhost:8080", "/", 8080),
            ("http://127.0.0.1:9/x y", "http://127.0.0.1:9", "/x%20y", 9),
            ("https://[::1]:8443/h", "https://[::1]:8443", "/h", 8443),
            ("HTTPS://EXAMPLE.com:443/", "https://example.com", "/", 443),
            ("http://bücher.example/", "http://xn--bcher-kva.example", "/", 80),
        ];
        for (text, origin, path, port) in cases {
            let target = Target::parse(text).unwrap();
            assert_eq!(
                (target.origin().as_str(), target.path().as_str(), target.port()),
                (origin, path, port)
            );
            assert!(!format!("{target:?}").contains("token"), "{target:?}");
        }
        assert_eq!(Target::parse("https://[::1]:8443/h").unwrap().authority(), "[::1]:8443");
        assert_eq!(Target::parse("https://[::1]/h").unwrap().host(), "::1");
    }

    #[test]
    fn what_cannot_be_sent_to_is_told_with_what_would_do() {
        for (text, hint) in [
            ("", "no URL"),
            ("example.com/hook", "no URL"),
            ("//example.com", "no URL"),
            ("http://", "no URL"),
            ("http://exa mple.com/", "no URL"),
            ("ftp://example.com/", "not ftp"),
            ("file:///etc/passwd", "not file"),
            ("javascript:alert(1)", "not javascript"),
            ("https://user:pw@example.com/", "token into the path"),
            ("https://user@example.com/", "token into the path"),
        ] {
            let error = Target::parse(text).unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
            assert!(!error.contains("pw"), "{error}");
        }
        let long = format!("https://example.com/{}", "x".repeat(LONGEST));
        assert_eq!(Target::parse(&long), Err(BadTarget::TooLong));
    }

    /// Each way to write the address that the parsers of URLs, or of names, understand.
    #[test]
    fn metadata_is_refused_however_its_address_is_written() {
        for host in [
            "169.254.169.254",
            "169.254.169.254.",
            "0xa9fea9fe",
            "2852039166",
            "0251.0376.0251.0376",
            "169.254.43518",
            "0xa9.0xfe.0xa9.0xfe",
            "[::ffff:169.254.169.254]",
            "[::ffff:a9fe:a9fe]",
            "[0:0:0:0:0:ffff:a9fe:a9fe]",
            "[fd00:ec2::254]",
            "[FD00:0EC2:0:0::254]",
            "%31%36%39.254.169.254",
            "１６９.２５４.169.254",
            "metadata.google.internal",
            "METADATA.GOOGLE.INTERNAL.",
        ] {
            for scheme in ["http", "https"] {
                let error = Target::parse(&format!("{scheme}://{host}:80/latest/meta-data")).unwrap_err();
                let refused = matches!(error, BadTarget::Refused { why: Refusal::Metadata, .. });
                assert!(refused, "{host}: {error}");
            }
        }
        for host in ["0.0.0.0", "0", "[::]", "[fe80::1]", "169.254.1.1", "224.0.0.1", "255.255.255.255"] {
            let error = Target::parse(&format!("http://{host}/")).unwrap_err();
            assert!(matches!(error, BadTarget::Refused { .. }), "{host}: {error}");
        }
    }
}
