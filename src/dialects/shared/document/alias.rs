//! Operations that are served at a second path.

use utoipa::openapi::OpenApi;

/// Describes the operations of `path` at `alias` as well, unless the alias already has a description of its own.
pub(in crate::dialects) fn describe_alias(document: &mut OpenApi, path: &str, alias: &str) {
    let Some(mut item) = document.paths.paths.get(path).cloned() else { return };
    let described = document.paths.paths.entry(alias.to_owned()).or_default();
    for (own, there) in super::operations(&mut item).into_iter().zip(super::operations(described)) {
        let Some(own) = own else { continue };
        if let Some(there) = there {
            // The alias has its own description, because it differs. Only the error responses are added.
            for (status, response) in &own.responses.responses {
                if !status.starts_with('2') {
                    there.responses.responses.entry(status.clone()).or_insert_with(|| response.clone());
                }
            }
            continue;
        }
        own.operation_id = own.operation_id.take().map(|id| format!("{id}_at_alias"));
        own.summary = own.summary.take().map(|summary| format!("{summary}, at its older path"));
        own.description = Some(format!("As at `{path}`."));
        *there = Some(own.clone());
    }
}
