//! placeholder
use anyhow::Result;
pub(crate) fn run(_: &str, _: bool) -> Result<()> {
    Ok(())
}
