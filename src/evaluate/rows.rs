//! Which films count, and what is true of each: columns of 0 and 1, or one column with a list of
//! findings as NIH's Data_Entry table has it.

use super::table::{Table, plain};
use anyhow::{Context as _, Result, bail, ensure};

/// The column that lists findings.
const LIST: &str = "Finding Labels";
/// Names of the column with the file, tried in this order.
const FILE: [&str; 6] = ["Image Index", "file", "filename", "file name", "image", "path"];
/// More sources than this are no sources: a patient or a film would have its own figures.
const MOST_SOURCES: usize = 50;
/// The source of films of a table without such a column.
pub const ONE_SOURCE: &str = "all";

/// What the command was told about the table.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// The column with the file.
    pub file: Option<String>,
    /// The column with the source.
    pub source: Option<String>,
    /// `LABEL=COLUMN`.
    pub labels: Vec<String>,
    /// Conditions, see [`Condition`].
    pub only: Vec<String>,
    /// Columns of numbers to set beside the model.
    pub baselines: Vec<String>,
}

/// Where the truth of a label stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// A column of 0 and 1.
    Column(usize),
    /// A column that lists findings.
    List(usize),
    /// Nowhere.
    Unknown,
}

/// One film of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The file as the table names it.
    pub file: String,
    /// Its source.
    pub source: String,
    /// For each label of the model whether it is there; none where it is not known.
    pub truth: Vec<Option<bool>>,
    /// Values of the baseline columns.
    pub baselines: Vec<Option<f64>>,
}

/// The films that count.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// The films, in the table's order.
    pub rows: Vec<Row>,
    /// Where the truth of each label stands.
    pub truth: Vec<Truth>,
    /// Rows that a condition left out.
    pub left_out: usize,
}

/// Picks the rows.
///
/// # Errors
/// A name that is not there, with those that are; a cell that is no value, with its line and column.
pub fn pick(table: &Table, labels: &[String], wishes: &Wishes) -> Result<Rows> {
    let file = file_column(table, wishes)?;
    let source = wishes.source.as_ref().map(|name| column(table, name, "--source-column")).transpose()?;
    let baselines =
        wishes.baselines.iter().map(|name| column(table, name, "--baseline")).collect::<Result<Vec<_>>>()?;
    let conditions = wishes.only.iter().map(|text| Condition::parse(text, table)).collect::<Result<Vec<_>>>()?;
    let truth = truth(table, labels, wishes)?;
    let mut picked = Rows { rows: Vec::new(), truth: truth.clone(), left_out: 0 };
    let mut sources: Vec<&str> = Vec::new();
    for (line, cells) in &table.rows {
        if !conditions.iter().all(|c| c.holds(cells)) {
            picked.left_out += 1;
            continue;
        }
        let of = source.map_or(ONE_SOURCE, |n| cells[n].trim());
        if !sources.contains(&of) {
            sources.push(of);
            ensure!(
                sources.len() <= MOST_SOURCES,
                "--source-column {:?} has more than {MOST_SOURCES} different values: name a column that groups films",
                wishes.source.as_deref().unwrap_or_default()
            );
        }
        let known = truth.iter().zip(labels).map(|(at, label)| match *at {
            Truth::Column(n) => answer(&cells[n]).with_context(|| {
                let name = &table.columns[n];
                format!("line {line}, column {name:?} holds neither 0 nor 1; leave it empty where it is not known")
            }),
            Truth::List(n) => Ok(Some(lists(&cells[n], label))),
            Truth::Unknown => Ok(None),
        });
        picked.rows.push(Row {
            file: cells[file].trim().to_owned(),
            source: of.to_owned(),
            truth: known.collect::<Result<_>>()?,
            baselines: baselines
                .iter()
                .map(|&n| cells[n].trim().parse().ok().filter(|v: &f64| v.is_finite()))
                .collect(),
        });
    }
    ensure!(!picked.rows.is_empty(), "no row of the table is left: see --only");
    Ok(picked)
}

fn names(table: &Table) -> String {
    table.columns.iter().map(|c| format!("{c:?}")).collect::<Vec<_>>().join(", ")
}

fn column(table: &Table, name: &str, flag: &str) -> Result<usize> {
    table.column(name).with_context(|| format!("{flag} {name:?} is no column; there are {}", names(table)))
}

fn file_column(table: &Table, wishes: &Wishes) -> Result<usize> {
    match &wishes.file {
        Some(name) => column(table, name, "--file-column"),
        None => FILE.iter().find_map(|name| table.column(name)).with_context(|| {
            format!("no column names the file: say which by --file-column; there are {}", names(table))
        }),
    }
}

fn truth(table: &Table, labels: &[String], wishes: &Wishes) -> Result<Vec<Truth>> {
    let all = || labels.iter().map(|l| format!("{l:?}")).collect::<Vec<_>>().join(", ");
    let mut named = Vec::new();
    for wish in &wishes.labels {
        let Some((label, name)) = wish.split_once('=') else { bail!("--label {wish:?}: write LABEL=COLUMN") };
        let known = labels.iter().position(|l| plain(l) == plain(label));
        let label = known.with_context(|| format!("--label {label:?} is no label of the model; it has {}", all()))?;
        named.push((label, column(table, name, "--label column")?));
    }
    let list = table.column(LIST);
    let listed = |n: usize, label: &str| table.rows.iter().any(|(_, cells)| lists(&cells[n], label));
    let place = |(n, label): (usize, &String)| {
        let wished = named.iter().find(|(at, _)| *at == n).map(|(_, column)| *column);
        match (wished.or_else(|| table.column(label)), list) {
            (Some(column), _) if Some(column) == list => Truth::List(column),
            (Some(column), _) => Truth::Column(column),
            // A finding that no film has is rather one that the table does not know.
            (None, Some(column)) if listed(column, label) => Truth::List(column),
            _ => Truth::Unknown,
        }
    };
    let places: Vec<Truth> = labels.iter().enumerate().map(place).collect();
    ensure!(
        places.iter().any(|p| *p != Truth::Unknown),
        "no column has the truth of a label of the model: it has {}, the columns are {}; say which by --label LABEL=COLUMN",
        all(),
        names(table)
    );
    Ok(places)
}

/// `1`, `0` and their like; empty, negative (CheXpert's "uncertain") or `nan` is not known.
fn answer(cell: &str) -> Option<Option<bool>> {
    match cell.trim().to_lowercase().as_str() {
        "" | "-1" | "-1.0" | "nan" | "na" | "u" | "unknown" | "uncertain" => Some(None),
        "1" | "1.0" | "true" | "yes" | "y" | "positive" => Some(Some(true)),
        "0" | "0.0" | "false" | "no" | "n" | "negative" => Some(Some(false)),
        _ => None,
    }
}

fn lists(cell: &str, label: &str) -> bool {
    cell.split('|').any(|finding| plain(finding) == plain(label))
}

/// `COLUMN=VALUE`, `COLUMN!=VALUE`, or a comparison of numbers with `>=`, `<=`, `>`, `<`.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    column: usize,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Is(String),
    IsNot(String),
    Least(f64),
    Most(f64),
    Above(f64),
    Below(f64),
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// If it has no such form, or the column is not there.
    pub fn parse(text: &str, table: &Table) -> Result<Self> {
        // At the first sign; of those that begin there, the longest.
        let found = text.char_indices().find_map(|(at, _)| {
            let sign = ["!=", ">=", "<=", "=", ">", "<"].into_iter().find(|sign| text[at..].starts_with(sign))?;
            Some((&text[..at], sign, &text[at + sign.len()..]))
        });
        let Some((name, sign, value)) = found else {
            bail!("--only {text:?}: write COLUMN=VALUE, COLUMN!=VALUE, or COLUMN>=NUMBER, <=, >, <");
        };
        let number = || {
            value
                .trim()
                .parse::<f64>()
                .ok()
                .filter(|v| v.is_finite())
                .with_context(|| format!("--only {text:?}: {sign} wants a number behind it"))
        };
        let test = match sign {
            "=" => Test::Is(value.trim().to_owned()),
            "!=" => Test::IsNot(value.trim().to_owned()),
            ">=" => Test::Least(number()?),
            "<=" => Test::Most(number()?),
            ">" => Test::Above(number()?),
            _ => Test::Below(number()?),
        };
        Ok(Self { column: column(table, name.trim(), "--only")?, test })
    }

    /// Whether a row meets it. A cell that is no number meets no comparison.
    #[must_use]
    pub fn holds(&self, cells: &[String]) -> bool {
        let cell = cells[self.column].trim();
        let number = cell.parse::<f64>().ok();
        match &self.test {
            Test::Is(value) => cell == value,
            Test::IsNot(value) => cell != value,
            Test::Least(least) => number.is_some_and(|n| n >= *least),
            Test::Most(most) => number.is_some_and(|n| n <= *most),
            Test::Above(limit) => number.is_some_and(|n| n > *limit),
            Test::Below(limit) => number.is_some_and(|n| n < *limit),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> Vec<String> {
        names.iter().map(|&n| n.to_owned()).collect()
    }

    fn nih() -> Table {
        let text = "Image Index,Finding Labels,Patient Age,View Position\n1.png,Pleural_Thickening|Edema,58,PA\n\
                    2.png,No Finding,17,AP\n3.png,Edema,,PA\n";
        Table::parse(text).unwrap()
    }

    #[test]
    fn nih_lists_findings() {
        let wanted = labels(&["Edema", "Pleural Thickening", "Fracture"]);
        let rows = pick(&nih(), &wanted, &Wishes::default()).unwrap();
        assert_eq!(rows.truth, [Truth::List(1), Truth::List(1), Truth::Unknown]);
        let truth: Vec<_> = rows.rows.iter().map(|r| r.truth.clone()).collect();
        assert_eq!(truth[0], [Some(true), Some(true), None]);
        assert_eq!(truth[1], [Some(false), Some(false), None]);
        assert!(rows.rows.iter().all(|r| r.source == ONE_SOURCE));
    }

    #[test]
    fn conditions_leave_rows_out() {
        let left = |only: &[&str]| -> Vec<String> {
            let wishes = Wishes { only: labels(only), ..Wishes::default() };
            pick(&nih(), &labels(&["Edema"]), &wishes).unwrap().rows.into_iter().map(|r| r.file).collect()
        };
        assert_eq!(left(&["Patient Age>=18"]), ["1.png"]);
        assert_eq!(left(&["patient_age<18"]), ["2.png"]);
        assert_eq!(left(&["View Position=PA"]), ["1.png", "3.png"]);
        assert_eq!(left(&["View Position=PA", "Image Index!=1.png"]), ["3.png"]);
    }

    #[test]
    fn columns_of_numbers_and_of_nothing() {
        let text = "file,hospital,pneumonia,size\na,X,1,10\nb,Y,0.0,\nc,X,,7\nd,Y,-1,8\n";
        let wishes = Wishes {
            source: Some("hospital".into()),
            labels: labels(&["Opacity=pneumonia"]),
            baselines: labels(&["size"]),
            ..Wishes::default()
        };
        let rows = pick(&Table::parse(text).unwrap(), &labels(&["Opacity"]), &wishes).unwrap().rows;
        let truth: Vec<_> = rows.iter().map(|r| r.truth[0]).collect();
        assert_eq!(truth, [Some(true), Some(false), None, None]);
        assert_eq!((rows[0].source.as_str(), rows[0].baselines[0], rows[1].baselines[0]), ("X", Some(10.0), None));
    }

    #[test]
    fn what_is_wrong_is_named_with_the_remedy() {
        let table = Table::parse("file,pneumonia\na,1\nb,maybe\n").unwrap();
        let error = |table: &Table, label: &str, wishes: Wishes| {
            format!("{:#}", pick(table, &labels(&[label]), &wishes).unwrap_err())
        };
        let wish = || Wishes::default();
        let bad = error(&table, "Pneumonia", wish());
        assert!(bad.contains("line 3") && bad.contains("\"pneumonia\"") && !bad.contains("maybe"), "{bad}");
        let bad = error(&table, "Edema", wish());
        assert!(bad.contains("\"Edema\"") && bad.contains("\"pneumonia\"") && bad.contains("--label"), "{bad}");
        let bad = error(&table, "Pneumonia", Wishes { labels: labels(&["Mass=pneumonia"]), ..wish() });
        assert!(bad.contains("\"Mass\"") && bad.contains("\"Pneumonia\""), "{bad}");
        let bad = error(&table, "Pneumonia", Wishes { source: Some("clinic".into()), ..wish() });
        assert!(bad.contains("--source-column") && bad.contains("\"clinic\"") && bad.contains("\"file\""), "{bad}");
        let bad = error(&table, "Pneumonia", Wishes { only: labels(&["file"]), ..wish() });
        assert!(bad.contains("COLUMN=VALUE"), "{bad}");
        let bad = error(&table, "Pneumonia", Wishes { only: labels(&["file=none"]), ..wish() });
        assert!(bad.contains("--only"), "{bad}");
        let bad = error(&Table::parse("x,pneumonia\n1,1\n").unwrap(), "Pneumonia", wish());
        assert!(bad.contains("--file-column"), "{bad}");
        let many: String = (0..60).map(|n| format!("{n},{n},1\n")).collect();
        let many = Table::parse(&format!("file,patient,pneumonia\n{many}")).unwrap();
        let bad = error(&many, "Pneumonia", Wishes { source: Some("patient".into()), ..wish() });
        assert!(bad.contains("more than 50") && bad.contains("\"patient\""), "{bad}");
    }
}
