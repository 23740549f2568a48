//! CSV (RFC 4180), written for people who open it in a spreadsheet.

use std::borrow::Cow;

/// A row and its line end.
pub fn row<'c>(cells: impl IntoIterator<Item = &'c str>) -> String {
    let mut row = String::new();
    for (place, text) in cells.into_iter().enumerate() {
        if place > 0 {
            row.push(',');
        }
        row.push_str(&cell(text));
    }
    row.push_str("\r\n");
    row
}

/// A cell that no spreadsheet takes for a formula (OWASP, *CSV injection*): an apostrophe goes before what could be
/// one. Quoted where it holds what would end it.
fn cell(text: &str) -> Cow<'_, str> {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if !formula && !text.contains([',', '"', '\r', '\n']) {
        return Cow::Borrowed(text);
    }
    let guard = if formula { "'" } else { "" };
    Cow::Owned(format!("\"{guard}{}\"", text.replace('"', "\"\"")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cells_are_quoted_and_formulas_defused() {
        assert_eq!(row(["a", "b,c", "d\"e", "", "é"]), "a,\"b,c\",\"d\"\"e\",,é\r\n");
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"] {
            assert_eq!(row([formula]), format!("\"'{formula}\"\r\n"));
        }
    }

    proptest! {
        #[test]
        fn no_cell_begins_like_a_formula(text in ".{0,20}") {
            let cell = cell(&text);
            prop_assert!(!cell.trim_start_matches('"').starts_with(['=', '+', '-', '@', '\t', '\r']) || text.starts_with('"'));
        }
    }
}
