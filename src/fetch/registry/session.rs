//! Requests to one repository of a registry.
//!
//! ```text
//!  nothing ──401, Bearer──▶ token ──401 (it has expired)──▶ a new token
//!     └──────401, Basic───▶ user and password
//! ```
//! A registry on this machine is asked without TLS, and with it where it does not understand that.
//!
//! Nobody is told who asks before the registry wants to know. Then that goes to the registry, and to the token server that it
//! names: never to where the registry redirects, and nothing that another server answers counts as the registry's question.

use std::sync::OnceLock;

use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use super::auth_file::Login;
use super::challenge::{BearerChallenge, Challenge};
use super::endpoint;
use super::logins::{Found, Logins};
use crate::error::Error;
use crate::fetch::error::FetchError;
use crate::fetch::http::{Authorization, Http, Request};
use crate::fetch::netrc::UserAndPassword;
use crate::fetch::response::HttpResponse;
use crate::fetch::response_head::ResponseInfo;
use crate::manifest::registry_ref::RegistryRef;

/// The largest document that a registry may send, in bytes: what the registries themselves accept.
const DOCUMENT: u64 = 4 << 20;

/// One repository, and the proof of who asks.
pub(super) struct Session<'a> {
    http: &'a Http,
    logins: &'a Logins,
    reference: &'a RegistryRef,
    base: Url,
    scope: String,
    proof: Mutex<Option<Authorization>>,
    /// Set where plain HTTP was tried, and TLS is what the registry speaks.
    has_tls: OnceLock<()>,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl<'a> Session<'a> {
    /// # Errors
    /// The host cannot be part of a URL.
    pub(super) fn new(http: &'a Http, logins: &'a Logins, reference: &'a RegistryRef) -> Result<Self, FetchError> {
        let base = endpoint::base(reference, http.options())?;
        let scope = format!("repository:{}:pull", reference.repository());
        Ok(Session { http, logins, reference, base, scope, proof: Mutex::new(None), has_tls: OnceLock::new() })
    }

    /// Requests `path` of the repository.
    ///
    /// # Errors
    /// As [`Http::get`], or the registry lets nobody in, or not this user.
    pub(super) async fn get(&self, path: &str, request: Request) -> Result<HttpResponse<'a>, FetchError> {
        let used = self.proof.lock().await.clone();
        let refused = match self.ask(path, &Request { authorization: used.clone(), ..request.clone() }).await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        let Some(challenge) = self.challenge(&refused) else { return Err(self.told(refused)) };
        let Some(proof) = self.proof(used, &challenge).await? else { return Err(self.told(refused)) };
        let again = self.ask(path, &Request { authorization: Some(proof), ..request }).await;
        again.map_err(|error| self.told(error))
    }

    async fn ask(&self, path: &str, request: &Request) -> Result<HttpResponse<'a>, FetchError> {
        let plain = match self.http.get(&self.url(path)?, request).await {
            // What a server with TLS says to plain HTTP: Go's and nginx say 400, others hang up.
            Err(error @ FetchError::Connect { .. }) => error,
            Err(FetchError::Status { info, requested }) if info.status == 400 => FetchError::Status { info, requested },
            other => return other,
        };
        let is_known = self.has_tls.get().is_some();
        if is_known || !endpoint::may_have_tls(self.reference.host(), self.http.options()) {
            return Err(plain);
        }
        let mut url = self.url(path)?;
        // Both are schemes of the same kind.
        let _ = url.set_scheme("https");
        match self.http.get(&url, request).await {
            Err(FetchError::Connect { .. }) => Err(plain),
            other => {
                let _ = self.has_tls.set(());
                other
            }
        }
    }

    fn url(&self, path: &str) -> Result<Url, FetchError> {
        self.base().join(path).map_err(|why| {
            let error = Error::failed("the registry's URL cannot be used").fact("reason", why);
            FetchError::Unusable(error.fact("url", self.reference).hint("correct the URL in the manifest"))
        })
    }

    fn base(&self) -> Url {
        let mut base = self.base.clone();
        if self.has_tls.get().is_some() {
            let _ = base.set_scheme("https");
        }
        base
    }

    /// What the registry itself wants to know. To another server's question nothing is answered.
    fn challenge(&self, refused: &FetchError) -> Option<Challenge> {
        match refused {
            FetchError::Status { info, .. } if info.status == 401 && info.is_of(&self.base()) => {
                Challenge::best(&info.challenges)
            }
            _ => None,
        }
    }

    /// A proof other than `used`, which was refused; `None` where there is no other.
    async fn proof(
        &self,
        used: Option<Authorization>,
        challenge: &Challenge,
    ) -> Result<Option<Authorization>, FetchError> {
        let mut proof = self.proof.lock().await;
        if let Some(other) = proof.as_ref().filter(|other| Some(*other) != used.as_ref()) {
            // Another blob's request was faster.
            return Ok(Some(other.clone()));
        }
        let found = self.logins.of(self.reference);
        let new = match (challenge, found.login) {
            (Challenge::Basic, Some(Login::Password(user, password))) => {
                Authorization::Basic(UserAndPassword::of_text(user, password))
            }
            (_, Some(Login::Token(token))) => Authorization::Bearer(token),
            (Challenge::Basic, _) => return Ok(None),
            (Challenge::Bearer(bearer), login) => self.token(bearer, login).await?,
        };
        if used.as_ref() == Some(&new) {
            return Ok(None);
        }
        Ok(Some(proof.insert(new).clone()))
    }

    /// A token of the token server that the registry names.
    async fn token(&self, challenge: &BearerChallenge, login: Option<Login>) -> Result<Authorization, FetchError> {
        let realm = &challenge.realm;
        if realm.scheme() == "http" && !endpoint::is_plain(&endpoint::authority(realm), self.http.options()) {
            let error = Error::failed("the registry names a token server without TLS, and passwords go there")
                .fact("host", self.reference.host())
                .fact("url", endpoint::authority(realm))
                .hint(format_args!(
                    "ask the registry's operator for one with https, or allow it with: --insecure-registry {}",
                    endpoint::authority(realm)
                ));
            return Err(FetchError::Unusable(error));
        }
        let (url, request) = match login {
            Some(Login::Identity(identity)) => {
                (realm.clone(), Request { form: Some(challenge.form(&self.scope, &identity)), ..Request::default() })
            }
            login => {
                let authorization = match login {
                    Some(Login::Password(user, password)) => {
                        Some(Authorization::Basic(UserAndPassword::of_text(user, password)))
                    }
                    _ => self.http.basic(realm).or_else(|| self.http.basic(&self.base())),
                };
                (challenge.url(&self.scope), Request { authorization, ..Request::default() })
            }
        };
        let response = self.http.get(&url, &request).await.map_err(|error| self.told(error))?;
        let (bytes, info) = document(response).await?;
        let given = |text: &String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let said = serde_json::from_slice::<Token>(&bytes).ok();
        let said = said.and_then(|said| said.token.filter(given).or(said.access_token.filter(given)));
        let Some(text) = said else {
            let error = info.add_to(Error::failed("the registry's token server sent no token"));
            return Err(FetchError::Unusable(error.hint("check the registry's token server")));
        };
        Ok(Authorization::Bearer(text))
    }

    /// The error of a registry, with what is wrong with its logins.
    fn told(&self, error: FetchError) -> FetchError {
        let is_refused = error.is_refusal();
        let Found { fault, .. } = if is_refused { self.logins.of(self.reference) } else { Found::default() };
        error.of_registry(self.reference.host(), fault.as_deref())
    }
}

/// All bytes of a small document.
///
/// # Errors
/// It is too large, or ends too early.
pub(super) async fn document(mut response: HttpResponse<'_>) -> Result<(Vec<u8>, ResponseInfo), FetchError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if (bytes.len() + chunk.len()) as u64 > DOCUMENT {
            let error =
                Error::failed("the registry's document is too large").fact("limit", format_args!("{DOCUMENT} bytes"));
            return Err(FetchError::Unusable(response.info.add_to(error).hint("check the reference in the manifest")));
        }
        bytes.extend_from_slice(&chunk);
    }
    if response.total.is_some_and(|total| total != bytes.len() as u64) {
        let (cause, received) = ("the server sent only a part of the document".to_owned(), bytes.len() as u64);
        return Err(FetchError::Cut { info: Box::new(response.info), received, cause });
    }
    Ok((bytes, response.info))
}
