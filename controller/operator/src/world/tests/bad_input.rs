//! Whatever services the API server lets through: nothing panics, nothing is lost, the object says what is wrong with it, and a
//! sane service beside it is served.

use lightship_crd::condition::service as services;

use super::*;

/// What is odd about a service.
struct Odd {
    annotations: Value,
    spec: Value,
    status: Value,
    /// Who wrote the status.
    manager: &'static str,
}

fn annotated(annotations: Value) -> Odd {
    Odd {
        annotations,
        spec: json!({}),
        status: json!({}),
        manager: "",
    }
}

fn asks(ips: &str) -> Odd {
    annotated(json!({"lbipam.cilium.io/ips": ips}))
}

fn shows(manager: &'static str, ingress: &Value) -> Odd {
    Odd {
        status: json!({"loadBalancer": {"ingress": ingress}}),
        manager,
        ..annotated(json!({}))
    }
}

fn object(name: &str, odd: &Odd) -> Service {
    let mut service = serde_json::to_value(web(name, &odd.annotations)).unwrap();
    for (field, value) in odd.spec.as_object().unwrap() {
        service["spec"][field] = value.clone();
    }
    service["status"] = odd.status.clone();
    service["metadata"]["managedFields"] = json!([{
        "manager": odd.manager, "operation": "Update", "subresource": "status",
        "fieldsV1": {"f:status": {"f:loadBalancer": {"f:ingress": {}}}},
    }]);
    serde_json::from_value(service).unwrap()
}

/// Each service beside a sane one, both in a cluster of their own: the odd one's addresses, and what it says.
fn served(odd: &Odd) -> (Vec<String>, String) {
    let mut server = Server::default();
    server.put_pool(&pool("p", "10.0.10.0/24"));
    server.put(&object("odd", odd));
    server.put(&plain("sane"));
    let mut world = leader(&server, at(0));
    settle(&mut world, &mut server, at(0));
    settle(&mut world, &mut server, at(2_000));
    assert_eq!(server.shows("sane").len(), 1, "the sane one is served");
    assert_eq!(server.doubled, [] as [&str; 0]);
    assert!(
        world.is_idle() && world.decide(at(60_000), ALL).is_empty(),
        "then it rests"
    );
    let said = [services::REQUEST_SATISFIED, services::FOREIGN_ADDRESS]
        .map(|type_| server.condition("odd", type_))
        .concat();
    (server.shows("odd"), said)
}

#[test]
fn a_request_that_is_no_address_is_quoted_and_replaced_by_none() {
    for text in [
        "10.0.10",
        "010.0.10.5",
        "10.0.10.5/32",
        "10.0.10.5-10.0.10.9",
        "fe80::1%eth0",
        "0x0a000a05",
        "167774725",
        "localhost",
        "10.0.10.5:80",
        "[2004::5]",
        "10.0.10.256",
        "-1",
        "*",
        "⑩.0.10.5",
        "10.0.10.5;10.0.10.6",
        "\u{0}",
        "2004:::5",
        "10.0.10.5 10.0.10.6",
    ] {
        let (addresses, said) = served(&asks(text));
        assert_eq!(addresses, [] as [&str; 0], "{text:?}");
        let expected = format!("False bad_request \"{text}\" is requested, but it is no IP address");
        assert!(said.starts_with(&expected), "{text:?}: {said}");
    }
    let (addresses, said) = served(&Odd {
        spec: json!({"loadBalancerIP": "router.example"}),
        ..annotated(json!({}))
    });
    assert_eq!(addresses, [] as [&str; 0]);
    assert!(said.contains("\"router.example\""), "{said}");
}

#[test]
fn an_odd_request_gets_what_of_it_can_be_had() {
    let many: Vec<_> = (0..60_000).map(|number| format!("x{number}")).collect();
    let long = "a".repeat(200_000);
    let rows = [
        ("::ffff:10.0.10.77", "10.0.10.77", "True satisfied"),
        (",, ,10.0.10.78,, 10.0.10.78 ,", "10.0.10.78", "True satisfied"),
        (
            "10.0.10.79,nonsense",
            "10.0.10.79",
            "False bad_request \"nonsense\"",
        ),
        (
            "nonsense,10.0.10.79",
            "10.0.10.79",
            "False bad_request \"nonsense\"",
        ),
        (&many.join(","), "", "False bad_request \"x0\""),
        (
            &format!("10.0.10.80,{long}"),
            "10.0.10.80",
            "False bad_request \"aaaa",
        ),
        // Nothing but separators is no request.
        (" , ,", "10.0.10.0", "True satisfied"),
        (
            "255.255.255.255",
            "",
            "False no_pool 255.255.255.255 cannot be given: no pool contains it",
        ),
        (
            "2004::5",
            "",
            "False no_pool 2004::5 cannot be given: no pool contains it",
        ),
    ];
    for (text, address, expected) in rows {
        let (addresses, said) = served(&asks(text));
        let short: String = text.chars().take(30).collect();
        assert_eq!(addresses.concat(), address, "{short}");
        assert!(said.starts_with(expected), "{short}: {said}");
        assert!(
            said.len() <= 33_000,
            "{short}: a condition of {} bytes",
            said.len()
        );
    }
}

#[test]
fn other_odd_annotations_harm_nobody() {
    let sharing = |key: &str, namespaces: &str, pods: &str| {
        annotated(json!({
            "lbipam.cilium.io/sharing-key": key, "lbipam.cilium.io/sharing-cross-namespace": namespaces,
            "lbipam.cilium.io/sharing-permit-different-pods": pods,
        }))
    };
    let long = "k".repeat(200_000);
    for odd in [
        sharing(&long, "*", "true"),
        sharing("\u{1f4a5} ,;= \n", ",,*,", "maybe"),
        sharing("", "no such namespace, , */*", "2"),
        sharing(" ", &long, ""),
        annotated(
            json!({"lbipam.cilium.io/ips": "", "io.cilium/lb-ipam-ips": " ", "lightship.dev/pool": " "}),
        ),
        Odd {
            spec: json!({"ports": null}),
            ..annotated(json!({}))
        },
        Odd {
            spec: json!({"ipFamilies": ["IPv7"], "ipFamilyPolicy": "AnyStack"}),
            ..annotated(json!({}))
        },
    ] {
        let (addresses, said) = served(&odd);
        assert_eq!(addresses, ["10.0.10.0"], "{said}");
        assert!(said.starts_with("True satisfied"), "{said}");
    }
    let (addresses, said) = served(&annotated(json!({"lightship.dev/pool": "nowhere"})));
    assert_eq!(addresses, [] as [&str; 0]);
    assert!(
        said.contains("pool p: the service asks for pool nowhere only"),
        "{said}"
    );
}

#[test]
fn an_odd_status_is_left_or_mended() {
    let ours = lightship_crd::field_owner::OPERATOR;
    // Of somebody else: left as it is, and told that a pool would serve the service.
    let (addresses, said) = served(&shows("cloud", &json!([{"hostname": "lb.example"}])));
    assert_eq!(addresses, [] as [&str; 0]);
    assert!(said.starts_with("True left_alone"), "{said}");
    let (addresses, said) = served(&shows(
        "cloud",
        &json!([{"ip": "not an address"}, {"ip": "192.0.2.1"}]),
    ));
    assert_eq!(addresses, ["not an address", "192.0.2.1"]);
    assert!(
        said.contains("192.0.2.1 was put into the status by somebody else"),
        "{said}"
    );
    // Of ours, written over by hand: what can be read stays, and nothing is given twice.
    for ingress in [
        json!([{"ip": "10.0.10.90"}, {"ip": "10.0.10.90"}]),
        json!([{"ip": "::ffff:10.0.10.90"}]),
        json!([{"hostname": "lb.example"}, {"ip": "10.0.10.90", "ipMode": "Proxy",
                "ports": [{"port": 80, "protocol": "TCP", "error": "example.com/broken"}]}]),
        json!([{"ip": ""}, {"ip": "10.0.10.90"}, {}]),
    ] {
        let (addresses, said) = served(&shows(ours, &ingress));
        assert!(
            addresses.iter().any(|one| one.ends_with("10.0.10.90")),
            "{ingress}: {addresses:?}"
        );
        assert!(said.starts_with("True satisfied"), "{ingress}: {said}");
    }
}
