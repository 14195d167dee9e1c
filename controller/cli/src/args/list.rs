//! Names in a comma-separated list.

/// One name of a list: not empty, and nothing an interface cannot be called.
pub(crate) fn device(text: &str) -> Result<String, &'static str> {
    let name = text.trim();
    if name.is_empty() || name.contains('/') || name.contains(char::is_whitespace) {
        return Err(
            "expected names of interfaces separated by commas, such as eth0,eth1 (a + at the end stands for \
                    any ending, as in eth+)",
        );
    }
    Ok(name.to_owned())
}
