//! `lightship crd`: the definitions, ready for `kubectl apply -f -`.

use anyhow::Context as _;
use lightship_crd::{crds, yaml};

use crate::output;

pub(crate) fn run() -> anyhow::Result<()> {
    let crds = crds().context("failed to make the definitions")?;
    output::print(&yaml::render_all(&crds).context("failed to render the definitions")?)
}
