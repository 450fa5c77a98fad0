//! What a registry asks for: a `Bearer` or `Basic` challenge of `WWW-Authenticate` (RFC 9110, section 11.6.1; the
//! parameters of the first are those of <https://distribution.github.io/distribution/spec/auth/token/>).

use url::Url;

/// What proof is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A token of a token server.
    Bearer(BearerChallenge),
    /// A user and a password.
    Basic,
}

/// Where to get a token, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BearerChallenge {
    /// The token server.
    pub(super) realm: Url,
    pub(super) service: Option<String>,
    scope: Option<String>,
}

impl Challenge {
    /// The best of all headers of an answer; `None` where they ask for something else.
    pub(super) fn best(headers: &[String]) -> Option<Self> {
        let bearer = headers.iter().find_map(|header| BearerChallenge::parse(header));
        let is_basic = |header: &String| {
            header.trim().split(' ').next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic"))
        };
        bearer.map(Challenge::Bearer).or_else(|| headers.iter().any(is_basic).then_some(Challenge::Basic))
    }
}

impl BearerChallenge {
    fn parse(header: &str) -> Option<Self> {
        let (scheme, mut rest) = header.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service, mut scope) = (None, None, None);
        while let Some((key, after)) = rest.split_once('=') {
            let (value, left) = value(after)?;
            match key.trim_matches([' ', ',']).to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                "scope" => scope = Some(value),
                _ => {}
            }
            rest = left;
        }
        let realm: Url = realm?.parse().ok()?;
        matches!(realm.scheme(), "http" | "https").then_some(BearerChallenge { realm, service, scope })
    }

    /// What the token is for: `usual`, where the challenge does not say.
    pub(super) fn scope<'a>(&'a self, usual: &'a str) -> &'a str {
        self.scope.as_deref().unwrap_or(usual)
    }

    /// The URL to ask for a token.
    pub(super) fn url(&self, usual: &str) -> Url {
        let mut url = self.realm.clone();
        let mut query = url.query_pairs_mut();
        if let Some(service) = &self.service {
            query.append_pair("service", service);
        }
        query.append_pair("scope", self.scope(usual));
        drop(query);
        url
    }

    /// The form to post for a token, in exchange for an identity token (OAuth 2, as above under `token/`'s sibling
    /// `oauth/`).
    pub(super) fn form(&self, usual: &str, identity: &str) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token");
        form.append_pair("service", self.service.as_deref().unwrap_or_default());
        form.append_pair("scope", self.scope(usual));
        form.append_pair("client_id", "pack");
        form.append_pair("refresh_token", identity);
        form.finish()
    }
}

/// The value at the start of `text`, quoted or not, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(',').unwrap_or(text.len());
        return Some((text[..end].trim().to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(letters.next()?.1),
            _ => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(header: &str) -> Option<String> {
        BearerChallenge::parse(header).map(|challenge| challenge.url("repository:a:pull").to_string())
    }

    #[test]
    fn a_bearer_challenge_names_realm_service_and_scope() {
        let full =
            r#"Bearer realm="https://auth.example/token?x=1",service="a, \"b\"",scope="repository:a/b:pull,push""#;
        let expected = "https://auth.example/token?x=1&service=a%2C+%22b%22&scope=repository%3Aa%2Fb%3Apull%2Cpush";
        assert_eq!(url(full).as_deref(), Some(expected));
        assert_eq!(
            url("bearer error=invalid_token, realm=http://[::1]:9/t").as_deref(),
            Some("http://[::1]:9/t?scope=repository%3Aa%3Apull")
        );
        for other in
            ["Basic realm=\"x\"", "Bearer", "Bearer service=\"a\"", "Bearer realm=\"x", "Bearer realm=\"file:///a\""]
        {
            assert_eq!(url(other), None, "{other}");
        }
    }

    #[test]
    fn a_token_is_better_than_a_password() {
        let best = |headers: &[&str]| Challenge::best(&headers.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        let bearer = "Bearer realm=\"https://a/t\"";
        assert!(matches!(best(&["Basic realm=\"x\"", bearer]), Some(Challenge::Bearer(_))));
        assert_eq!(best(&["Negotiate", "BASIC realm=\"x\""]), Some(Challenge::Basic));
        assert_eq!(best(&["Negotiate", "Digest x"]), None);
    }
}
