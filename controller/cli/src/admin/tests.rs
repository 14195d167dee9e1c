use prometheus_client::metrics::counter::Counter;

use super::*;
use crate::command::config::fetch;

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
