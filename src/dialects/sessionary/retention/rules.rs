//! The wire type of the retention.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::dialects::sessionary::members::Members;
use crate::dialects::shared::time::Milliseconds;
use crate::domain::{DialectName, JsonField, JsonText};
use crate::store::admin::{RetentionRule, RetentionSettings};

/// The longest retention, in days: a century.
const MAX_DAYS: i64 = 36_500;
/// Rules in a body: one per dialect, and one for the others.
const MAX_RULES: usize = DialectName::ALL.len() + 1;

/// The retention of the caller's organization.
#[derive(Serialize, ToSchema)]
#[schema(as = Retention)]
pub struct WireRetention {
    /// Sessions of the other dialects are stored for ever.
    rules: Vec<WireRule>,
    /// Whether nothing is erased, by retention or on request.
    legal_hold: bool,
    #[schema(value_type = Option<String>, format = DateTime)]
    held_since: Option<Milliseconds>,
}

#[derive(Serialize, ToSchema)]
struct WireRule {
    #[schema(value_type = String, example = "agntix")]
    dialect: &'static str,
    /// Days without a change after which a session is erased.
    #[schema(example = 90)]
    days: i32,
}

impl From<&RetentionSettings> for WireRetention {
    fn from(settings: &RetentionSettings) -> Self {
        let rule = |rule: &RetentionRule| WireRule { dialect: rule.dialect.as_str(), days: rule.days };
        Self {
            rules: settings.rules.iter().map(rule).collect(),
            legal_hold: settings.held_since.is_some(),
            held_since: settings.held_since.map(Milliseconds),
        }
    }
}

/// Describes a rule in a body.
#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the member; it is read by its name")]
pub struct NewRule {
    /// Null is every dialect that no other rule names.
    #[schema(example = "agntix")]
    dialect: Option<String>,
    /// 1 to 36,500 days without a change.
    #[schema(example = 90)]
    days: i32,
}

/// Reads the rules of a body. Returns `None` without the member, and after a fault.
pub(super) fn read(body: &mut Members, name: &str) -> Option<Vec<RetentionRule>> {
    let given = body.read(name, &format!("an array of at most {MAX_RULES} rules"), |given| match given {
        JsonField::Array(json) => json.read::<Vec<JsonText>>().ok().filter(|rules| rules.len() <= MAX_RULES),
        _ => None,
    });
    let given = given.set()?;
    let (mut rules, mut others) = (BTreeMap::new(), None);
    for (index, rule) in given.iter().enumerate() {
        let mut inner = Members::within(rule, format!("{}/{index}", body.pointer(name)));
        let dialect = inner
            .read("dialect", "the name of a dialect, or null", |given| given.as_str()?.parse::<DialectName>().ok());
        let days = inner.integer("days", 1..=MAX_DAYS);
        let days = inner.required("days", days).and_then(|days| i32::try_from(days).ok());
        let is_sound = inner.is_sound();
        if let (Some(days), true) = (days, is_sound) {
            let again = match dialect.set() {
                Some(dialect) => rules.insert(dialect, days).is_some(),
                None => others.replace(days).is_some(),
            };
            if again {
                inner.fault("dialect", "has a rule already");
            }
        }
        body.join(inner);
    }
    let days_of = |dialect: DialectName| rules.get(&dialect).copied().or(others);
    let rules =
        DialectName::ALL.into_iter().filter_map(|dialect| Some(RetentionRule { dialect, days: days_of(dialect)? }));
    Some(rules.collect())
}
