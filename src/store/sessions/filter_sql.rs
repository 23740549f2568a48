//! A metadata filter as SQL. All input from outside is passed as parameters; the statement's text is constant.
//!
//! The statement has the metadata as `m.metadata`, of type `jsonb`.

use sqlx::{Postgres, QueryBuilder};

use crate::domain::metadata_filter::{Comparison, Filter, Literal, Path};
use crate::store::StoreError;

type Statement = QueryBuilder<Postgres>;

pub(super) fn push(statement: &mut Statement, filter: &Filter) -> Result<(), StoreError> {
    match filter {
        Filter::All(parts) => joined(statement, parts, " AND "),
        Filter::Any(parts) => joined(statement, parts, " OR "),
        Filter::Not(inner) => {
            statement.push("(NOT ");
            push(statement, inner)?;
            statement.push(")");
            Ok(())
        }
        Filter::Compares(path, comparison, literal) => compares(statement, path, *comparison, literal),
        Filter::In(path, literals) => {
            let texts: Result<Vec<String>, _> = literals.iter().map(json).collect();
            statement.push("(");
            value(statement, path);
            statement.push(" = ANY(").push_bind(texts?).push("::text[]::jsonb[]))");
            Ok(())
        }
        Filter::Like(path, pattern) => {
            of_type(statement, path, "string", "false");
            value(statement, path);
            statement.push(" #>> '{}' LIKE ").push_bind(pattern.clone()).push(" END)");
            Ok(())
        }
        Filter::Contains(path, literal) => {
            of_type(statement, path, "array", "false");
            value(statement, path);
            statement.push(" @> ").push_bind(json(literal)?).push("::text::jsonb END)");
            Ok(())
        }
        Filter::IsNull(path) => {
            statement.push("(");
            value(statement, path);
            statement.push(" IS NULL)");
            Ok(())
        }
    }
}

fn joined(statement: &mut Statement, parts: &[Filter], word: &'static str) -> Result<(), StoreError> {
    statement.push("(");
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            statement.push(word);
        }
        push(statement, part)?;
    }
    statement.push(")");
    Ok(())
}

fn compares(
    statement: &mut Statement,
    path: &Path,
    comparison: Comparison,
    literal: &Literal,
) -> Result<(), StoreError> {
    let sign = match comparison {
        Comparison::Equal => " = ",
        Comparison::Unequal => " <> ",
        Comparison::Less => " < ",
        Comparison::LessOrEqual => " <= ",
        Comparison::Greater => " > ",
        Comparison::GreaterOrEqual => " >= ",
    };
    if matches!(comparison, Comparison::Equal | Comparison::Unequal) {
        statement.push("(");
        value(statement, path);
        statement.push(sign).push_bind(json(literal)?).push("::text::jsonb)");
        return Ok(());
    }
    match literal {
        Literal::Text(text) => {
            of_type(statement, path, "string", "NULL");
            statement.push("(");
            value(statement, path);
            statement.push(" #>> '{}') COLLATE \"C\"").push(sign).push_bind(text.clone()).push(" END)");
        }
        Literal::Number(number) => {
            of_type(statement, path, "number", "NULL");
            statement.push("(");
            value(statement, path);
            statement.push(" #>> '{}')::numeric").push(sign).push_bind(number.clone()).push("::text::numeric END)");
        }
        // The parser rejects it.
        Literal::Bool(_) => {
            statement.push("NULL::boolean");
        }
    }
    Ok(())
}

/// Pushes `(CASE … ELSE`: NULL if the value is NULL, `otherwise` if it is of another type. The caller adds the last
/// branch and ` END)`.
fn of_type(statement: &mut Statement, path: &Path, wanted: &'static str, otherwise: &'static str) {
    statement.push("(CASE WHEN ");
    value(statement, path);
    statement.push(" IS NULL THEN NULL WHEN jsonb_typeof(");
    value(statement, path);
    statement.push(") <> '").push(wanted).push("' THEN ").push(otherwise).push(" ELSE ");
}

/// Pushes the value at the path; NULL if there is none or it is null.
fn value(statement: &mut Statement, path: &Path) {
    statement.push("NULLIF(");
    match &path.otherwise {
        None => member(statement, &path.members),
        Some(otherwise) => {
            statement.push("COALESCE(");
            member(statement, &path.members);
            statement.push(", ");
            member(statement, otherwise);
            statement.push(")");
        }
    }
    statement.push(", 'null'::jsonb)");
}

fn member(statement: &mut Statement, members: &[String]) {
    statement.push("(m.metadata");
    for name in members {
        // Of the two operators that the arrow stands for, the one for members of objects.
        statement.push(" -> ").push_bind(name.clone()).push("::text");
    }
    statement.push(")");
}

fn json(literal: &Literal) -> Result<String, StoreError> {
    Ok(literal.to_json()?.as_str().to_owned())
}
