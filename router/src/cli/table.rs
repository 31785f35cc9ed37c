//! Columns: as wide as their widest value, two spaces apart, without lines, so that other tools can cut them.

use comfy_table::{CellAlignment, ContentArrangement, Table as Columns, presets};

/// A table.
pub(crate) struct Table {
    columns: Columns,
    rows: usize,
}

impl Table {
    /// A table with these headings. A heading that starts with `>` stands over a column of numbers, set to the right.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let mut columns = Columns::new();
        columns.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        columns.set_header(headings.iter().map(|heading| heading.trim_start_matches('>')));
        for (column, heading) in columns.column_iter_mut().zip(headings) {
            column.set_padding((0, 2));
            if heading.starts_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Self { columns, rows: 0 }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, values: impl IntoIterator<Item = String>) {
        self.columns.add_row(values);
        self.rows += 1;
    }

    /// The table, or `nothing` in its place if it has no rows.
    pub(crate) fn finish(self, nothing: &str) -> String {
        if self.rows == 0 {
            return format!("{nothing}\n");
        }
        self.columns.trim_fmt() + "\n"
    }
}

/// Names and values, the values below each other.
pub(super) fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    pairs.iter().map(|(name, value)| format!("{name:width$}  {value}").trim_end().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_value_and_end_without_spaces() {
        let mut table = Table::new(&["Name", ">Count", "Text"]);
        table.row(["a".into(), "1".into(), "x".into()]);
        table.row(["longer".into(), "1000000".into(), String::new()]);
        assert_eq!(
            table.finish("none"),
            "Name      Count  Text\n\
             a             1  x\n\
             longer  1000000\n"
        );
    }

    #[test]
    fn an_empty_table_says_so() {
        assert_eq!(Table::new(&["Name"]).finish("no names"), "no names\n");
    }

    #[test]
    fn pairs_are_aligned() {
        assert_eq!(pairs(&[("a", "1".into()), ("bcd", String::new())]), "a    1\nbcd\n");
    }
}
