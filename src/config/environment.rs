//! Environment variables that look like settings but are not.

/// Limit of the wrong letters in a name that is recognised.
const MAX_DISTANCE: usize = 3;

/// Returns a warning for each variable that begins like a setting but is not in `known`, with the nearest name.
///
/// A variable that does not begin with `SESSIONARY_` is mentioned only if it is very similar to a known one.
pub(super) fn unknown_variables(variables: impl Iterator<Item = (String, String)>, known: &[&str]) -> Vec<String> {
    let mut warnings: Vec<String> = variables
        .filter(|(name, _)| !known.contains(&name.as_str()))
        .filter_map(|(name, value)| {
            let nearest = nearest(&name, known);
            let meant = nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
            let is_ours = name.starts_with("SESSIONARY_") && !is_of_kubernetes(&name, &value);
            let is_near = name.starts_with("SESSION_") && nearest.is_some();
            (is_ours || is_near).then(|| format!("{name} is no setting and has no effect{meant}"))
        })
        .collect();
    warnings.sort();
    warnings
}

/// Returns whether Kubernetes sets the variable in every pod because of a Service whose name begins with `sessionary`.
fn is_of_kubernetes(name: &str, value: &str) -> bool {
    let is_address = name.contains("_PORT_") && ["_TCP", "_UDP"].iter().any(|protocol| name.contains(protocol));
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || is_address
        || (name.ends_with("_PORT") && value.contains("://"))
}

fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let distances = known.iter().map(|known| (strsim::damerau_levenshtein(name, known), *known));
    distances.filter(|(distance, _)| *distance <= MAX_DISTANCE).min().map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_setting_is_named_with_the_one_that_was_meant() {
        let known = ["SESSIONARY_LISTEN", "SESSIONARY_RATE_LIMIT", "SESSION_TIMEOUT_MINUTES", "DATABASE_URL"];
        let warnings = |variables: &[(&str, &str)]| {
            let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            unknown_variables(variables, &known)
        };
        let found = warnings(&[
            ("SESSIONARY_LISTEN", ":3000"),
            ("SESSIONARY_RATE_LIMTI", "off"),
            ("SESSIONARY_COLOUR", "red"),
            ("SESSION_TIMEOUT_MINUTE", "5"),
            ("SESSION_MANAGER", "local/x"),
            ("PATH", "/bin"),
        ]);
        assert_eq!(
            found,
            [
                "SESSIONARY_COLOUR is no setting and has no effect",
                "SESSIONARY_RATE_LIMTI is no setting and has no effect; did you mean SESSIONARY_RATE_LIMIT?",
                "SESSION_TIMEOUT_MINUTE is no setting and has no effect; did you mean SESSION_TIMEOUT_MINUTES?",
            ]
        );
        let of_kubernetes = [
            ("SESSIONARY_SERVICE_HOST", "10.0.0.1"),
            ("SESSIONARY_SERVICE_PORT", "80"),
            ("SESSIONARY_SERVICE_PORT_HTTP", "80"),
            ("SESSIONARY_PORT", "tcp://10.0.0.1:80"),
            ("SESSIONARY_PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("SESSIONARY_PORT_80_TCP_ADDR", "10.0.0.1"),
        ];
        assert!(warnings(&of_kubernetes).is_empty());
        assert_eq!(warnings(&[("SESSIONARY_PORT", "3000")]).len(), 1);
    }
}
