//! Parses a filter by recursive descent of bounded depth.

use super::tokens::{Placed, Token, tokens};
use super::{Comparison, DEEPEST, Filter, InvalidFilter, LONGEST_PATH, Literal, MAX_CONDITIONS, Path};

pub(super) fn filter(text: &str) -> Result<Filter, InvalidFilter> {
    let tokens = tokens(text)?;
    let mut parser = Parser { end: text.chars().count() + 1, tokens, at: 0, depth: 0, conditions: 0 };
    let filter = parser.any()?;
    match parser.peek() {
        None => Ok(filter),
        Some(_) => Err(parser.expected("AND, OR or the end")),
    }
}

struct Parser {
    tokens: Vec<Placed>,
    at: usize,
    /// The position after the last character.
    end: usize,
    depth: usize,
    conditions: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }

    fn expected(&self, expected: &'static str) -> InvalidFilter {
        InvalidFilter::Expected { expected, at: self.tokens.get(self.at).map_or(self.end, |(_, position)| *position) }
    }

    fn takes(&mut self, wanted: &Token) -> bool {
        let is_next = self.peek() == Some(wanted);
        self.at += usize::from(is_next);
        is_next
    }

    fn is_word(&self, wanted: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted))
    }

    fn takes_word(&mut self, wanted: &str) -> bool {
        let is_next = self.is_word(wanted);
        self.at += usize::from(is_next);
        is_next
    }

    fn any(&mut self) -> Result<Filter, InvalidFilter> {
        let first = self.all()?;
        let mut parts = vec![first];
        while self.takes_word("OR") {
            parts.push(self.all()?);
        }
        Ok(alone(parts).unwrap_or_else(Filter::Any))
    }

    fn all(&mut self) -> Result<Filter, InvalidFilter> {
        let first = self.not()?;
        let mut parts = vec![first];
        while self.takes_word("AND") {
            parts.push(self.not()?);
        }
        Ok(alone(parts).unwrap_or_else(Filter::All))
    }

    fn not(&mut self) -> Result<Filter, InvalidFilter> {
        let opens = self.peek() == Some(&Token::Open);
        if !opens && !self.is_word("NOT") {
            return self.condition();
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(InvalidFilter::TooDeep);
        }
        self.at += 1;
        let filter = if opens {
            let filter = self.any()?;
            if !self.takes(&Token::Close) {
                return Err(self.expected("AND, OR or )"));
            }
            filter
        } else {
            Filter::Not(Box::new(self.not()?))
        };
        self.depth -= 1;
        Ok(filter)
    }

    fn condition(&mut self) -> Result<Filter, InvalidFilter> {
        self.count()?;
        if let Some(literal) = self.literal() {
            let negated = self.takes_word("NOT");
            if !self.takes_word("IN") {
                return Err(self.expected("IN"));
            }
            return Ok(negate(negated, Filter::Contains(self.path()?, literal)));
        }
        let path = self.path()?;
        if self.takes_word("IS") {
            let negated = self.takes_word("NOT");
            if !self.takes_word("NULL") {
                return Err(self.expected("NULL"));
            }
            return Ok(negate(negated, Filter::IsNull(path)));
        }
        let negated = self.takes_word("NOT");
        if self.takes_word("IN") {
            return Ok(negate(negated, Filter::In(path, self.list()?)));
        }
        if self.takes_word("LIKE") {
            return Ok(negate(negated, Filter::Like(path, self.pattern()?)));
        }
        if negated {
            return Err(self.expected("IN or LIKE"));
        }
        let comparison = match self.peek() {
            Some(Token::Equal) => Comparison::Equal,
            Some(Token::Unequal) => Comparison::Unequal,
            Some(Token::Less) => Comparison::Less,
            Some(Token::LessOrEqual) => Comparison::LessOrEqual,
            Some(Token::Greater) => Comparison::Greater,
            Some(Token::GreaterOrEqual) => Comparison::GreaterOrEqual,
            _ => return Err(self.expected("an operator")),
        };
        self.at += 1;
        let at = self.at;
        let literal = self.literal().ok_or_else(|| self.expected("a text, a number, TRUE or FALSE"))?;
        let is_equality = matches!(comparison, Comparison::Equal | Comparison::Unequal);
        if matches!(literal, Literal::Bool(_)) && !is_equality {
            self.at = at;
            return Err(self.expected("a text or a number"));
        }
        Ok(Filter::Compares(path, comparison, literal))
    }

    fn count(&mut self) -> Result<(), InvalidFilter> {
        self.conditions += 1;
        if self.conditions > MAX_CONDITIONS { Err(InvalidFilter::TooMany) } else { Ok(()) }
    }

    /// Takes the next token if it is a literal.
    fn literal(&mut self) -> Option<Literal> {
        let literal = match self.peek()? {
            Token::Text(text) => Literal::Text(text.clone()),
            Token::Number(number) => Literal::Number(number.clone()),
            Token::Word(word) if word.eq_ignore_ascii_case("TRUE") => Literal::Bool(true),
            Token::Word(word) if word.eq_ignore_ascii_case("FALSE") => Literal::Bool(false),
            _ => return None,
        };
        self.at += 1;
        Some(literal)
    }

    fn list(&mut self) -> Result<Vec<Literal>, InvalidFilter> {
        if !self.takes(&Token::Open) {
            return Err(self.expected("("));
        }
        let mut literals = Vec::new();
        loop {
            self.count()?;
            literals.push(self.literal().ok_or_else(|| self.expected("a text, a number, TRUE or FALSE"))?);
            if self.takes(&Token::Close) {
                return Ok(literals);
            }
            if !self.takes(&Token::Comma) {
                return Err(self.expected(", or )"));
            }
        }
    }

    fn pattern(&mut self) -> Result<String, InvalidFilter> {
        let error = self.expected("a text that does not end in half an escape");
        let Some(Token::Text(pattern)) = self.take() else { return Err(error) };
        let backslashes = pattern.chars().rev().take_while(|c| *c == '\\').count();
        if backslashes % 2 == 0 { Ok(pattern) } else { Err(error) }
    }

    fn path(&mut self) -> Result<Path, InvalidFilter> {
        let (first, quoted) = self.member()?;
        let mut members = vec![first];
        while self.takes(&Token::Dot) {
            if members.len() == LONGEST_PATH {
                return Err(InvalidFilter::LongPath);
            }
            self.count()?;
            members.push(self.member()?.0);
        }
        let otherwise: Option<Vec<String>> = match members.as_slice() {
            [only] if quoted && only.contains('.') => Some(only.split('.').map(str::to_owned).collect()),
            _ => None,
        };
        if otherwise.as_ref().is_some_and(|members| members.len() > LONGEST_PATH) {
            return Err(InvalidFilter::LongPath);
        }
        for _ in otherwise.iter().flatten().skip(1) {
            self.count()?;
        }
        Ok(Path { members, otherwise })
    }

    fn member(&mut self) -> Result<(String, bool), InvalidFilter> {
        let error = self.expected("a name");
        match self.take() {
            Some(Token::Quoted(name)) => Ok((name, true)),
            Some(Token::Word(name)) if !is_reserved(&name) => Ok((name, false)),
            _ => Err(error),
        }
    }
}

fn is_reserved(word: &str) -> bool {
    ["AND", "OR", "NOT", "IN", "IS", "LIKE", "NULL", "TRUE", "FALSE"]
        .iter()
        .any(|other| word.eq_ignore_ascii_case(other))
}

fn negate(negated: bool, filter: Filter) -> Filter {
    if negated { Filter::Not(Box::new(filter)) } else { filter }
}

/// Returns the only part, or an error with all of them.
fn alone(mut parts: Vec<Filter>) -> Result<Filter, Vec<Filter>> {
    match (parts.pop(), parts.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            parts.push(last);
            Err(parts)
        }
        (None, _) => Err(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Filter {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn path(members: &[&str]) -> Path {
        Path { members: members.iter().map(|&member| member.to_owned()).collect(), otherwise: None }
    }

    #[test]
    fn the_examples_of_the_vendor_are_read() {
        let text = |text: &str| Literal::Text(text.to_owned());
        let number = |text: &str| Literal::Number(text.to_owned());
        assert_eq!(
            read("user_role = 'premium'"),
            Filter::Compares(path(&["user_role"]), Comparison::Equal, text("premium"))
        );
        assert_eq!(
            read("tier >= 2 AND region = 'us'"),
            Filter::All(vec![
                Filter::Compares(path(&["tier"]), Comparison::GreaterOrEqual, number("2")),
                Filter::Compares(path(&["region"]), Comparison::Equal, text("us")),
            ])
        );
        assert_eq!(read("user LIKE '%@example.com'"), Filter::Like(path(&["user"]), "%@example.com".to_owned()));
        assert_eq!(read("tier IN ('a','b')"), Filter::In(path(&["tier"]), vec![text("a"), text("b")]));
        assert_eq!(read("tier is null"), Filter::IsNull(path(&["tier"])));
        assert_eq!(read("1 IN user_ids"), Filter::Contains(path(&["user_ids"]), number("1")));
        let country = Path {
            members: vec!["profile.country".to_owned()],
            otherwise: Some(vec!["profile".to_owned(), "country".to_owned()]),
        };
        assert_eq!(read(r#""profile.country" = 'US'"#), Filter::Compares(country, Comparison::Equal, text("US")));
    }

    #[test]
    fn and_binds_before_or_and_not_before_both() {
        let is_null = |name: &str| Filter::IsNull(path(&[name]));
        assert_eq!(
            read("a IS NULL OR NOT b IS NULL AND c.d IS NULL"),
            Filter::Any(vec![
                is_null("a"),
                Filter::All(vec![Filter::Not(Box::new(is_null("b"))), Filter::IsNull(path(&["c", "d"]))]),
            ])
        );
        assert_eq!(
            read("(a IS NULL OR b IS NULL) AND c IS NOT NULL"),
            Filter::All(vec![Filter::Any(vec![is_null("a"), is_null("b")]), Filter::Not(Box::new(is_null("c"))),])
        );
    }

    #[test]
    fn what_is_no_filter_is_refused_with_its_place() {
        for (text, message) in [
            ("", "expected a name at character 1"),
            ("a", "expected an operator at character 2"),
            ("a = ", "expected a text, a number, TRUE or FALSE at character 5"),
            ("a = NULL", "expected a text, a number, TRUE or FALSE at character 5"),
            ("a = 'it", "expected the closing quote of the one at character 5"),
            ("a = 1; DROP TABLE sessions", "expected a name, a value or an operator at character 6"),
            ("a = 1 -- x", "expected a number at character 7"),
            ("a = 1 b = 2", "expected AND, OR or the end at character 7"),
            ("(a = 1", "expected AND, OR or ) at character 7"),
            ("a < TRUE", "expected a text or a number at character 5"),
            ("a IN ()", "expected a text, a number, TRUE or FALSE at character 7"),
            ("a LIKE 'x\\'", "expected a text that does not end in half an escape at character 8"),
            ("a = 1e99999", "expected a number at character 5"),
            ("a = 01", "expected a number at character 5"),
            ("1 = a", "expected IN at character 3"),
        ] {
            assert_eq!(text.parse::<Filter>().unwrap_err().to_string(), message, "{text}");
        }
        let deep = |levels| format!("{}a IS NULL{}", "(".repeat(levels), ")".repeat(levels));
        assert!(deep(DEEPEST).parse::<Filter>().is_ok());
        assert_eq!(deep(DEEPEST + 1).parse::<Filter>(), Err(InvalidFilter::TooDeep));
        assert_eq!("NOT ".repeat(2_001).parse::<Filter>(), Err(InvalidFilter::TooLong));
        assert_eq!("NOT ".repeat(1_000).parse::<Filter>(), Err(InvalidFilter::TooDeep));
        let many = |count| vec!["a=1"; count].join(" OR ");
        assert!(many(MAX_CONDITIONS).parse::<Filter>().is_ok());
        assert_eq!(many(MAX_CONDITIONS + 1).parse::<Filter>(), Err(InvalidFilter::TooMany));
        let list = |count| format!("a IN ({})", vec!["1"; count].join(","));
        assert!(list(MAX_CONDITIONS - 1).parse::<Filter>().is_ok());
        assert_eq!(list(MAX_CONDITIONS).parse::<Filter>(), Err(InvalidFilter::TooMany));
        let long = |members| vec!["a"; members].join(".");
        for path in [long, |members| format!("\"{}\"", vec!["a"; members].join("."))] {
            assert!(format!("{} IS NULL", path(LONGEST_PATH)).parse::<Filter>().is_ok());
            assert_eq!(format!("{} IS NULL", path(LONGEST_PATH + 1)).parse::<Filter>(), Err(InvalidFilter::LongPath));
            let several = |count: usize| vec![format!("{} IS NULL", path(20)); count].join(" AND ");
            assert!(several(10).parse::<Filter>().is_ok());
            assert_eq!(several(11).parse::<Filter>(), Err(InvalidFilter::TooMany));
        }
        assert_eq!(" ".repeat(8_001).parse::<Filter>(), Err(InvalidFilter::TooLong));
    }

    fn sentence() -> impl Strategy<Value = String> {
        let name = "x[a-z0-9_-]{0,6}";
        let path =
            prop::collection::vec(prop_oneof![name, r#""[^"\x00]{1,6}""#], 1..4).prop_map(|names| names.join("."));
        let literal = prop_oneof!["'[^'\\x00]{0,8}'", "-?(0|[1-9][0-9]{0,8})(\\.[0-9]{1,4})?", "TRUE", "false"];
        let equality = prop::sample::select(vec!["=", "<>", "!="]);
        let order = prop::sample::select(vec!["<", "<=", ">", ">="]);
        let ordered = prop_oneof!["'[^'\\x00]{0,8}'", "-?(0|[1-9][0-9]{0,8})"];
        let condition = prop_oneof![
            (path.clone(), equality, literal.clone()).prop_map(|(path, is, literal)| format!("{path} {is} {literal}")),
            (path.clone(), order, ordered).prop_map(|(path, is, literal)| format!("{path} {is} {literal}")),
            (path.clone(), any::<bool>(), prop::collection::vec(literal.clone(), 1..4)).prop_map(
                |(path, not, list)| format!("{path} {}IN ({})", if not { "NOT " } else { "" }, list.join(","))
            ),
            (path.clone(), "'[^'\\x00\\\\]{0,8}'").prop_map(|(path, text)| format!("{path} like {text}")),
            (path.clone(), any::<bool>())
                .prop_map(|(path, not)| format!("{path} IS {}NULL", if not { "NOT " } else { "" })),
            (literal, path).prop_map(|(literal, path)| format!("{literal} in {path}")),
        ];
        condition.prop_recursive(4, 24, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 2..4).prop_map(|all| format!("({})", all.join(" AND "))),
                prop::collection::vec(inner.clone(), 2..4).prop_map(|all| format!("({})", all.join(" or "))),
                inner.prop_map(|inner| format!("NOT ({inner})")),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_sentence_of_the_grammar_is_read(sentence in sentence()) {
            prop_assert!(sentence.parse::<Filter>().is_ok(), "{}", sentence);
            for broken in [format!("{sentence} AND"), format!("({sentence}")] {
                prop_assert!(broken.parse::<Filter>().is_err(), "{}", broken);
            }
        }

        #[test]
        fn no_text_breaks_the_parser(text in ".{0,200}") {
            let _ = text.parse::<Filter>();
        }

        #[test]
        fn no_run_of_words_breaks_the_parser(words in prop::collection::vec(prop_oneof![
            Just("AND"), Just("or"), Just("NOT"), Just("("), Just(")"), Just("IN"), Just("LIKE"), Just("IS"),
            Just("NULL"), Just("a"), Just("."), Just("\"b.c\""), Just("'x%'"), Just("-1.5e3"), Just("="), Just("<>"),
            Just(","), Just("'"), Just("\""), Just("TRUE"), Just("\0"),
        ], 0..400)) {
            let _ = words.join(" ").parse::<Filter>();
        }
    }
}
