use super::*;

fn check(address: &str) -> Option<Refusal> {
    refused(address.parse().unwrap())
}

#[test]
fn link_local_and_metadata_addresses_are_refused_in_every_form() {
    let cases = [
        ("169.254.169.254", Refusal::Metadata),
        ("169.254.0.1", Refusal::LinkLocal),
        ("169.254.255.255", Refusal::LinkLocal),
        ("100.100.100.200", Refusal::Metadata),
        ("168.63.129.16", Refusal::Metadata),
        ("192.0.0.192", Refusal::Metadata),
        ("0.0.0.0", Refusal::Unspecified),
        ("0.1.2.3", Refusal::Unspecified),
        ("224.0.0.1", Refusal::Multicast),
        ("239.255.255.255", Refusal::Multicast),
        ("255.255.255.255", Refusal::Broadcast),
        ("fe80::1", Refusal::LinkLocal),
        ("febf:ffff::1", Refusal::LinkLocal),
        ("fd00:ec2::254", Refusal::Metadata),
        ("fd20:ce::254", Refusal::Metadata),
        ("::", Refusal::Unspecified),
        ("ff02::1", Refusal::Multicast),
        ("::ffff:169.254.169.254", Refusal::Metadata),
        ("::ffff:a9fe:1", Refusal::LinkLocal),
        ("::ffff:0.0.0.0", Refusal::Unspecified),
        ("::ffff:255.255.255.255", Refusal::Broadcast),
        ("::ffff:224.0.0.1", Refusal::Multicast),
        ("::169.254.169.254", Refusal::Metadata),
        ("::ffff:0:169.254.169.254", Refusal::Metadata),
        ("64:ff9b::169.254.169.254", Refusal::Metadata),
        ("64:ff9b:1::169.254.169.254", Refusal::Metadata),
        ("2002:a9fe:a9fe::", Refusal::Metadata),
        ("2002:a9fe:a9fe::1", Refusal::Metadata),
    ];
    for (address, refusal) in cases {
        assert_eq!(check(address), Some(refusal), "{address}");
    }
}

#[test]
fn a_developers_own_networks_and_the_internet_are_spoken_to() {
    for address in [
        "127.0.0.1",
        "127.8.9.1",
        "10.0.0.1",
        "172.17.0.1",
        "192.168.1.5",
        "100.64.0.1",
        "169.253.255.255",
        "169.255.0.0",
        "93.184.216.34",
        "223.255.255.255",
        "240.0.0.1",
        "::1",
        "fd00::1",
        "fc00::1",
        "fec0::1",
        "fd00:ec2::253",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
    ] {
        assert_eq!(check(address), None, "{address}");
    }
}

#[test]
fn metadata_is_refused_by_its_names_too() {
    for name in [
        "metadata.google.internal",
        "METADATA.google.internal.",
        "metadata",
        "metadata.goog",
        "instance-data",
    ] {
        assert_eq!(refused_name(name), Some(Refusal::Metadata), "{name}");
    }
    for name in ["localhost", "hooks.example.com", "metadata.example.com", "notmetadata", ""] {
        assert_eq!(refused_name(name), None, "{name}");
    }
}

fn answered(status: u16) -> Outcome {
    Outcome::Answered { status, retry_after: None }
}

#[test]
fn what_passes_by_itself_is_tried_again_and_nothing_else_is() {
    let again = Then::Again(BACKOFF[0]);
    let cases = [
        (answered(200), Then::Delivered),
        (answered(202), Then::Delivered),
        (answered(204), Then::Delivered),
        (answered(299), Then::Delivered),
        (answered(100), Then::GivenUp),
        (answered(301), Then::GivenUp),
        (answered(302), Then::GivenUp),
        (answered(307), Then::GivenUp),
        (answered(400), Then::GivenUp),
        (answered(401), Then::GivenUp),
        (answered(404), Then::GivenUp),
        (answered(410), Then::GivenUp),
        (answered(429), again),
        (answered(500), again),
        (answered(503), again),
        (answered(599), again),
        (answered(600), Then::GivenUp),
        (Outcome::Unreached, again),
        (Outcome::Refused, Then::GivenUp),
    ];
    for (outcome, expected) in cases {
        assert_eq!(then(outcome, 1), expected, "{outcome:?}");
    }
}

#[test]
fn tries_are_further_apart_each_time_and_end() {
    let waits: Vec<Then> = (1..=6).map(|tries| then(answered(500), tries)).collect();
    let expected: Vec<Then> = BACKOFF.into_iter().map(Then::Again).chain([Then::GivenUp]).collect();
    assert_eq!(waits, expected);
    assert!(BACKOFF.is_sorted());
    assert_eq!(then(Outcome::Unreached, u32::MAX), Then::GivenUp);
    assert_eq!(then(answered(200), 6), Then::Delivered, "the last try counts as any other");
}

#[test]
fn a_receiver_that_asks_for_time_gets_it_within_bounds() {
    let asks = |seconds| Outcome::Answered { status: 429, retry_after: Some(Duration::from_secs(seconds)) };
    assert_eq!(then(asks(60), 1), Then::Again(Duration::from_secs(60)));
    assert_eq!(then(asks(0), 1), Then::Again(BACKOFF[0]), "never sooner than our own pace");
    assert_eq!(then(asks(u64::MAX), 1), Then::Again(LONGEST_WAIT));
    assert_eq!(then(asks(60), 6), Then::GivenUp);
    let found = Outcome::Answered { status: 404, retry_after: Some(Duration::from_secs(1)) };
    assert_eq!(then(found, 1), Then::GivenUp);

    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let cases = [
        ("120", Some(120)),
        (" 7 ", Some(7)),
        ("Thu, 01 Jan 2026 00:01:00 GMT", Some(60)),
        ("Thu, 01 Jan 2015 00:01:00 GMT", Some(0)),
        ("soon", None),
        ("-5", None),
        ("", None),
    ];
    for (header, seconds) in cases {
        assert_eq!(retry_after(header, now), seconds.map(Duration::from_secs), "{header:?}");
    }
}

#[test]
fn what_is_signed_says_which_delivery_it_is_and_when_it_was_sent() {
    let letter = Letter {
        event: "crashed".into(),
        at: "2026-01-01T00:00:00Z".parse().unwrap(),
        title: "shop/prod crashed".into(),
        body: "exit code 1".into(),
        level: "bad".into(),
        workload_name: Some("shop".into()),
        role: Some("prod".into()),
        containers: vec!["tf-shop-prod-7".into()],
        cause: None,
        fix: Some("look at its log".into()),
        host: "desk".into(),
    };
    let kept = serde_json::to_string(&letter).unwrap();
    let sent = body(&kept, "d-1", "2026-01-01T00:00:05Z".parse().unwrap()).unwrap();
    let sent: serde_json::Value = serde_json::from_slice(&sent).unwrap();
    assert_eq!(
        sent,
        serde_json::json!({
            "delivery": "d-1", "sent_at": "2026-01-01T00:00:05Z", "event": "crashed", "at": "2026-01-01T00:00:00Z",
            "title": "shop/prod crashed", "body": "exit code 1", "level": "bad", "workload_name": "shop",
            "role": "prod", "containers": ["tf-shop-prod-7"], "cause": null, "fix": "look at its log", "host": "desk",
        })
    );
    for broken in ["", "[]", "7", "{"] {
        assert_eq!(body(broken, "d-1", letter.at), None, "{broken:?}");
    }
}
