//! CSV files (RFC 4180) that open well in a spreadsheet. Every dialect writes its files with this module.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, header};

/// U+FEFF, because Excel reads a file without it in the machine's own encoding and not as UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Returns the response of a download whose body begins with [`head`]. `disposition` names the file.
pub fn download(disposition: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(disposition));
    response
}

/// Returns the beginning of a file: the byte order mark and the names of the columns.
pub fn head<'c>(columns: impl IntoIterator<Item = &'c str>) -> String {
    format!("{BYTE_ORDER_MARK}{}", row(columns))
}

/// Returns a row and its line end.
pub fn row<'c>(cells: impl IntoIterator<Item = &'c str>) -> String {
    let mut row = String::new();
    for (column, text) in cells.into_iter().enumerate() {
        if column > 0 {
            row.push(',');
        }
        row.push_str(&cell(text));
    }
    row.push_str("\r\n");
    row
}

/// Returns a cell that no spreadsheet reads as a formula: a possible formula gets an apostrophe in front
/// ([CSV injection](https://owasp.org/www-community/attacks/CSV_Injection)). Negative numbers are not formulas and stay
/// unchanged. A cell that contains a separator, a quote or a line end is quoted.
fn cell(text: &str) -> Cow<'_, str> {
    let is_formula =
        text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) && !is_number(text);
    if !is_formula && !text.contains([',', '"', '\r', '\n']) {
        return Cow::Borrowed(text);
    }
    let guard = if is_formula { "'" } else { "" };
    Cow::Owned(format!("\"{guard}{}\"", text.replace('"', "\"\"")))
}

/// Returns `true` for a number as JSON writes it.
fn is_number(text: &str) -> bool {
    !text.contains(char::is_whitespace) && serde_json::from_str::<serde_json::Number>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cells_are_quoted_and_formulas_defused() {
        assert_eq!(row(["a", "b,c", "d\"e", "", "é"]), "a,\"b,c\",\"d\"\"e\",,é\r\n");
        assert_eq!(head(["id", "客"]).as_bytes(), b"\xef\xbb\xbfid,\xe5\xae\xa2\r\n");
        for formula in
            ["=1+1", "+1", "-1+2", "-", "--1", "-1\t", "-01", "@SUM(A1)", "\t=1", "\t-1", "\r=1", "＝1", "+4712345678"]
        {
            assert_eq!(row([formula]), format!("\"'{formula}\"\r\n"));
        }
    }

    #[test]
    fn numbers_stay_numbers() {
        for number in ["0", "-1", "-0.5", "-1e9", "-1.5E-3", "17", "-123456789012345678901234567890"] {
            assert_eq!(row([number]), format!("{number}\r\n"));
        }
    }

    proptest! {
        #[test]
        fn no_cell_begins_like_a_formula(text in "[-+=@0-9.eE\t\r\"a]{0,6}|.{0,20}") {
            let cell = cell(&text);
            let starts = cell.trim_start_matches('"').starts_with(['=', '+', '-', '@', '\t', '\r']);
            prop_assert!(!starts || text.starts_with('"') || text.parse::<f64>().is_ok());
        }
    }
}
