use clap::CommandFactory as _;
use clap::error::ErrorKind;

use super::*;

fn parse(line: &[&str]) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from([&["lightship"], line].concat())
}

/// The message of a command line that must be refused with exit code 2.
fn refused(line: &[&str]) -> String {
    let error = parse(line).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    error.to_string()
}

#[test]
fn the_definition_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn a_wrong_value_is_named_with_its_flag_and_what_is_allowed() {
    let cases: [(&[&str], [&str; 3]); 10] = [
        (
            &["operator", "--l2-announcements-lease-duration=15"],
            [
                "'15'",
                "--l2-announcements-lease-duration",
                "such as 15s, 500ms or 1m30s",
            ],
        ),
        (
            &["operator", "--default-lb-service-ipam=lb"],
            ["'lb'", "--default-lb-service-ipam", "lbipam, nodeipam, none"],
        ),
        (
            &["operator", "--admin-address=9963"],
            [
                "'9963'",
                "--admin-address",
                "an address and a port, such as 127.0.0.1:9964",
            ],
        ),
        (
            &["operator", "--namespace=Kube"],
            ["'Kube'", "--namespace", "lower-case letters"],
        ),
        (
            &["operator", "--log-level=loud"],
            ["'loud'", "--log-level", "error, warn, info, debug, trace"],
        ),
        (
            &["agent", "--node-name=n", "--map-capacity=0"],
            ["0 is not in", "--map-capacity", "1..=16777216"],
        ),
        (
            &["agent", "--node-name=n", "--devices=eth0,,eth1"],
            ["''", "--devices", "separated by commas"],
        ),
        (
            &["agent", "--node-name=n", "--announce-interval=100ms"],
            ["'100ms'", "--announce-interval", "at least 1s"],
        ),
        (
            &["agent", "--node-name="],
            ["", "--node-name", "value is required"],
        ),
        (
            &["ips", "--output=cbor"],
            ["'cbor'", "--output", "table, wide, json, yaml"],
        ),
    ];
    for (line, parts) in cases {
        let message = refused(line);
        for part in parts {
            assert!(message.contains(part), "{line:?}: {part:?} is not in: {message}");
        }
    }
}

#[test]
fn an_agent_needs_to_know_its_node() {
    if std::env::var_os("NODE_NAME").is_none() {
        assert!(refused(&["agent"]).contains("--node-name"));
    }
}

#[test]
fn asking_for_nothing_shows_help() {
    let kind = parse(&[]).unwrap_err().kind();
    assert_eq!(kind, ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
}

#[test]
fn the_defaults_are_those_of_the_guides() {
    let Command::Operator(operator) = parse(&["operator"]).unwrap().command else {
        panic!("not the operator");
    };
    assert_eq!(
        operator.timings.timings(),
        lightship_core::timing::LeaseTimings::default()
    );
    assert_eq!(operator.admin_address.0.to_string(), "127.0.0.1:9963");
    assert_eq!(operator.default_lb_service_ipam.name(), "lbipam");
    let Command::Agent(agent) = parse(&["agent", "--node-name", "node-1"]).unwrap().command else {
        panic!("not the agent");
    };
    assert_eq!(agent.admin_address.0.to_string(), "127.0.0.1:9964");
    assert!(agent.devices.is_empty());
}

#[test]
fn brackets_around_an_address_mean_nothing() {
    for (text, expected) in [("[10.0.0.1]:9964", "10.0.0.1:9964"), ("[::1]:9964", "[::1]:9964")] {
        let address: AdminAddress = text.parse().unwrap();
        assert_eq!(address.0.to_string(), expected);
    }
    assert!("[10.0.0.1:9964".parse::<AdminAddress>().is_err());
}

#[test]
fn the_connection_is_taken_on_either_side_of_the_command() {
    for line in [["--kubeconfig=/k", "status"], ["status", "--kubeconfig=/k"]] {
        let arguments = parse(&line).unwrap();
        assert_eq!(
            arguments.connection.kubeconfig.as_deref(),
            Some(std::path::Path::new("/k"))
        );
        assert_eq!(arguments.connection.namespace, "kube-system");
    }
}

#[test]
fn the_namespace_of_a_service_is_not_that_of_the_leases() {
    let arguments = parse(&["why", "web", "-n", "shop"]).unwrap();
    assert_eq!(arguments.connection.namespace, "kube-system");
    let Command::Why(why) = arguments.command else {
        panic!("not why");
    };
    assert_eq!(why.service_namespace.as_deref(), Some("shop"));
    let Command::Why(why) = parse(&["why", "web"]).unwrap().command else {
        panic!("not why");
    };
    assert_eq!(why.service_namespace, None);
}

#[test]
fn a_service_is_named_with_its_namespace_or_without() {
    for (typed, namespace) in [("web", None), ("shop/web", Some("shop"))] {
        let Command::Why(why) = parse(&["why", typed]).unwrap().command else {
            panic!("not why");
        };
        assert_eq!(why.service.namespace.as_deref(), namespace);
        assert_eq!(why.service.name, "web");
    }
    for typed in ["", "/web", "shop/", "shop/web/80"] {
        let refused = parse(&["why", typed]).unwrap_err().to_string();
        assert!(refused.contains("NAME or NAMESPACE/NAME"), "{refused}");
    }
}
