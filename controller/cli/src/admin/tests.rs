use prometheus_client::metrics::counter::Counter;

use super::*;
use crate::command::config::{ask, fetch};

/// A server on a free port, and the switch of its readiness.
async fn server() -> (AdminAddress, watch::Sender<bool>, CancellationToken) {
    let admin = Admin::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = AdminAddress(admin.address().unwrap());
    let (switch, ready) = watch::channel(false);
    let mut registry = Registry::default();
    registry.register("frames", "Frames announced", Counter::<u64>::default());
    let shown = Shown {
        ready,
        registry: Arc::new(registry),
        settings: Settings::default(),
        levels: Levels::unheard(LogLevel::Info),
    };
    let stop = CancellationToken::new();
    tokio::spawn(admin.serve(shown, stop.clone()));
    (address, switch, stop)
}

#[tokio::test]
async fn readiness_follows_the_part() {
    let (address, switch, _stop) = server().await;
    assert_eq!(fetch(address, "/healthz").await.unwrap(), "ok\n");
    assert!(
        fetch(address, "/readyz")
            .await
            .unwrap_err()
            .to_string()
            .contains("503")
    );
    switch.send(true).unwrap();
    assert_eq!(fetch(address, "/readyz").await.unwrap(), "ok\n");
}

#[tokio::test]
async fn metrics_are_open_metrics() {
    let (address, _switch, _stop) = server().await;
    let metrics = fetch(address, "/metrics").await.unwrap();
    assert!(
        metrics.contains("frames_total 0") && metrics.ends_with("# EOF\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn an_address_in_use_names_the_flag() {
    let (address, ..) = server().await;
    let error = Admin::bind(address).await.unwrap_err().to_string();
    assert!(error.ends_with("choose another --admin-address"), "{error}");
}

#[tokio::test]
async fn the_level_is_changed_by_those_who_are_here() {
    let (address, ..) = server().await;
    assert_eq!(fetch(address, "/log").await.unwrap(), "info\n");
    assert_eq!(ask(address, "PUT", "/log", "debug").await.unwrap(), "debug\n");
    assert_eq!(fetch(address, "/log").await.unwrap(), "debug\n");
    let refused = ask(address, "PUT", "/log", "loud").await.unwrap_err().to_string();
    assert!(
        refused.contains("\"loud\" is no level: error, warn, info, debug or trace"),
        "{refused}"
    );
}
