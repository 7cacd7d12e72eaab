//! Tables of values with separators (RFC 4180), as spreadsheets write them: commas, semicolons or
//! tabs, quotes, a byte order mark.

use anyhow::{Result, bail};

/// A table with its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows, each with a cell for each column, and the line on which it begins.
    pub rows: Vec<(usize, Vec<String>)>,
}

impl Table {
    /// Reads a table.
    ///
    /// # Errors
    /// What is wrong with it, with the line. Never quotes a cell: it may hold anything.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let first = text.lines().next().unwrap_or_default();
        let count = |c: char| first.matches(c).count();
        let separator = [',', ';', '\t'].into_iter().rev().max_by_key(|&c| count(c)).unwrap_or(',');
        let mut records = records(text, separator)?.into_iter();
        let Some((_, header)) = records.next() else { bail!("it is empty; the first line must name the columns") };
        let columns: Vec<String> = header.into_iter().map(|c| c.trim().to_owned()).collect();
        if let Some((n, name)) = columns.iter().enumerate().find(|(n, c)| columns[..*n].contains(c)) {
            bail!("column {} is named {name:?} as one before it; name each column once", n + 1);
        }
        let mut rows = Vec::new();
        for (line, mut cells) in records {
            if cells.len() > columns.len() && cells[columns.len()..].iter().all(String::is_empty) {
                // NIH's own tables end their lines with a comma.
                cells.truncate(columns.len());
            }
            if cells.len() != columns.len() {
                let (found, wanted) = (cells.len(), columns.len());
                bail!("line {line} has {found} cells, the header has {wanted}; quote cells that hold a separator");
            }
            rows.push((line, cells));
        }
        Ok(Self { columns, rows })
    }

    /// The column of this name; letters alike but for case, blanks, `_` and `-` are the same name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        let exact = self.columns.iter().position(|c| c == name);
        exact.or_else(|| self.columns.iter().position(|c| plain(c) == plain(name)))
    }
}

/// A name without what people write differently.
#[must_use]
pub fn plain(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

fn records(text: &str, separator: char) -> Result<Vec<(usize, Vec<String>)>> {
    let mut records = Vec::new();
    let (mut line, mut begin) = (1, 1);
    let (mut cells, mut cell) = (Vec::new(), String::new());
    let (mut quoted, mut was_quoted) = (false, false);
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        line += usize::from(c == '\n');
        match c {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if cell.is_empty() && !was_quoted => (quoted, was_quoted) = (true, true),
            _ if quoted => cell.push(c),
            '\r' if letters.peek() == Some(&'\n') => {}
            '\n' => {
                cells.push(std::mem::take(&mut cell));
                let record = std::mem::take(&mut cells);
                if record.len() > 1 || was_quoted || !record[0].is_empty() {
                    records.push((begin, record));
                }
                (begin, was_quoted) = (line, false);
            }
            _ if c == separator => {
                cells.push(std::mem::take(&mut cell));
                was_quoted = false;
            }
            _ => cell.push(c),
        }
    }
    if quoted {
        bail!("the quote that opens on line {begin} or after it is never closed");
    }
    if !cells.is_empty() || !cell.is_empty() {
        cells.push(cell);
        records.push((begin, cells));
    }
    Ok(records)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn quotes_separators_line_ends_and_marks() {
        let table = Table::parse("\u{feff}file;a b;\"c\"\r\n1.png;\"x;\"\"y\"\"\nz\";3\r\n\r\n2.png;;\n").unwrap();
        assert_eq!(table.columns, ["file", "a b", "c"]);
        assert_eq!(table.rows[0], (2, ["1.png", "x;\"y\"\nz", "3"].map(str::to_owned).to_vec()));
        assert_eq!(table.rows[1], (5, ["2.png", "", ""].map(str::to_owned).to_vec()));
        assert_eq!((table.column("A_B"), table.column("C"), table.column("d")), (Some(1), Some(2), None));
        // A line without an end, and NIH's comma too many.
        let nih = Table::parse("Image Index,Finding Labels\n1.png,Mass|Edema,\n2.png,No Finding").unwrap();
        assert_eq!(nih.rows.len(), 2);
        assert_eq!(nih.rows[0].1, ["1.png", "Mass|Edema"]);
    }

    #[test]
    fn broken_tables_name_their_line() {
        for (text, words) in [
            ("", "empty"),
            ("a,b\n1,2\n3\n", "line 3"),
            ("a,b\n1,2,3\n", "line 2"),
            ("a,b\n1,\"2\n", "line 2"),
            ("a,b,a\n", "\"a\""),
        ] {
            let error = Table::parse(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text:?}: {error}");
        }
    }
}
