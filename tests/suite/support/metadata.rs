//! Metadata of an exact length.

/// Returns an object that `JSON.stringify` writes in exactly `units` UTF-16 code units. It has white space that does
/// not count, characters of one to four bytes and escapes of every length.
pub fn metadata_of(units: usize) -> String {
    // Each text, and its number of units in JSON.stringify.
    let told = [("é客", 2), ("😀", 2), (r"\ud83d\ude00", 2), (r"\u0041\/", 2), (r#"\n\"\\"#, 6), (r"\u0001\u000a", 8)];
    let text: String = told.iter().map(|(text, _)| *text).collect();
    let used = r#"{"a":""}"#.len() + told.iter().map(|(_, units)| units).sum::<usize>();
    let rest = units.checked_sub(used).expect("room for one of each");
    format!("{{ \"a\" :\n\"{text}{}\" }}", "x".repeat(rest))
}
