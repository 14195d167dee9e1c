//! A client for the cluster that is meant, or a sentence on what to do about it.
//!
//! The order is `--kubeconfig`, `KUBECONFIG`, the pod's own service account; for what people type also the file
//! kubectl reads in their home. Nothing else is ever tried, so a daemon never ends up in a cluster by accident.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{Config, InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, core::Status};

/// How long the API server may take to accept a connection, and to give its first answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who asks for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// The operator or an agent.
    Daemon,
    /// Somebody at a terminal, who expects what kubectl does.
    Person,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "failed to find a cluster: pass --kubeconfig FILE, set KUBECONFIG, or run in a pod with a service account"
    )]
    Nowhere,
    #[error("failed to read the kubeconfig {}; check the path given by --kubeconfig", path.display())]
    File {
        path: PathBuf,
        source: Box<KubeconfigError>,
    },
    #[error("failed to read the kubeconfig named by KUBECONFIG; check the variable")]
    Variable(#[source] Box<KubeconfigError>),
    #[error("failed to use the kubeconfig; check its current context")]
    Use(#[source] Box<KubeconfigError>),
    #[error("failed to use the pod's service account; check that its token is mounted")]
    InCluster(#[source] Box<InClusterError>),
    #[error("failed to make a client for {url}; check the certificates in the kubeconfig")]
    Client { url: String, source: Box<kube::Error> },
    #[error("failed to reach the API server at {url}; check that it runs and that the address is right")]
    Unreachable { url: String, source: Box<kube::Error> },
    #[error(
        "failed to reach the API server at {url} within {PATIENCE:?}; check the network between here and there"
    )]
    Silent { url: String },
    #[error("the API server at {url} refuses the credentials ({}); check the token or certificate", .status.message)]
    Refused { url: String, status: Box<Status> },
}

/// A client that has had an answer from the API server.
pub(crate) async fn client(flag: Option<&Path>, asker: Asker) -> Result<Client, Error> {
    let (_, (url, client)) = connection(flag, asker).await?;
    answered(&url, client).await
}

/// A client that may not have had an answer yet, for a daemon that has work to do without the API server; whether it has one
/// is said in the log.
pub(crate) async fn hopeful(flag: Option<&Path>) -> Result<(Config, Client), Error> {
    let (config, (url, client)) = connection(flag, Asker::Daemon).await?;
    let asked = client.clone();
    tokio::spawn(async move {
        if let Err(error) = answered(&url, asked).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "what is held stays held; the API server is tried again");
        }
    });
    Ok((config, client))
}

async fn connection(flag: Option<&Path>, asker: Asker) -> Result<(Config, (String, Client)), Error> {
    let mut config = config(flag, asker).await?;
    config.connect_timeout = Some(PATIENCE);
    // A daemon has to know of each try: of a write that was not answered and is silently sent again, the answer says
    // nothing about the first, and its time at the API server starts anew.
    config.default_retry = asker == Asker::Person;
    let url = config.cluster_url.to_string();
    let client = Client::try_from(config.clone()).map_err(|source| Error::Client {
        url: url.clone(),
        source: Box::new(source),
    })?;
    Ok((config, (url, client)))
}

async fn answered(url: &str, client: Client) -> Result<Client, Error> {
    let url = url.to_owned();
    match tokio::time::timeout(PATIENCE, client.apiserver_version()).await {
        Err(_) => Err(Error::Silent { url }),
        Ok(Ok(_)) => Ok(client),
        Ok(Err(kube::Error::Api(status))) if matches!(status.code, 401 | 403) => {
            Err(Error::Refused { url, status })
        }
        Ok(Err(source)) => Err(Error::Unreachable {
            url,
            source: Box::new(source),
        }),
    }
}

async fn config(flag: Option<&Path>, asker: Asker) -> Result<Config, Error> {
    if let Some(path) = flag {
        let file = |source| Error::File {
            path: path.to_owned(),
            source: Box::new(source),
        };
        return custom(Kubeconfig::read_from(path).map_err(file)?).await;
    }
    // An empty variable counts as absent, as it does for kubectl.
    if env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty()) {
        let merged = Kubeconfig::from_env().map_err(|source| Error::Variable(Box::new(source)))?;
        return custom(merged.ok_or(Error::Nowhere)?).await;
    }
    if env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Config::incluster().map_err(|source| Error::InCluster(Box::new(source)));
    }
    let home = env::var_os("HOME").map(|home| Path::new(&home).join(".kube").join("config"));
    match home.filter(|path| asker == Asker::Person && path.exists()) {
        Some(path) => {
            let file = |source| Error::File {
                path: path.clone(),
                source: Box::new(source),
            };
            custom(Kubeconfig::read_from(&path).map_err(file)?).await
        }
        None => Err(Error::Nowhere),
    }
}

async fn custom(kubeconfig: Kubeconfig) -> Result<Config, Error> {
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|source| Error::Use(Box::new(source)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_file_is_named_with_the_flag() {
        let path = Path::new("/nonexistent/kubeconfig");
        let error = client(Some(path), Asker::Daemon)
            .await
            .err()
            .map(|error| error.to_string());
        let expected =
            "failed to read the kubeconfig /nonexistent/kubeconfig; check the path given by --kubeconfig";
        assert_eq!(error.as_deref(), Some(expected));
    }
}
