//! Columns as wide as their widest cell, three spaces apart, as kubectl prints them.

/// Headings and cells, one line each.
pub(crate) fn table(headings: &[&str], cells: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let widest = cells
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max();
        headings[column].len().max(widest.unwrap_or_default())
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |row: &[&str]| {
        let padded: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        padded.join("   ").trim_end().to_owned() + "\n"
    };
    let body = cells
        .iter()
        .map(|row| line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
    std::iter::once(line(headings)).chain(body).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let cells = vec![
            vec!["10.0.10.0".to_owned(), "a".to_owned()],
            vec!["::1".to_owned(), String::new()],
        ];
        assert_eq!(
            table(&["ADDRESS", "POOL"], &cells),
            "ADDRESS     POOL\n10.0.10.0   a\n::1\n"
        );
    }
}
