//! TLS 1.3 with `ring`: a relay's identity, and whom a dialler believes.

use std::{fmt, sync::Arc};

use gantline_protocol::{RelayAddress, SpkiPin};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls13_signature},
    version::TLS13,
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer, ServerName, UnixTime,
    pem::{self, PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use webpki::EndEntityCert;
use zeroize::Zeroizing;

/// The protocol that both ends must speak (RFC 7301).
pub const ALPN: &[u8] = b"gantline/1";
/// The protocol in which WebSockets begin.
pub(crate) const HTTP: &[u8] = b"http/1.1";

/// Why an identity can't be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The PEM text can't be read.
    #[error("the certificate or key is not PEM: {0}")]
    Pem(#[from] pem::Error),
    /// The certificate can't be made or read.
    #[error("the certificate can't be used: {0}")]
    Certificate(String),
    /// The key doesn't belong to the certificate, or is of a kind that isn't supported.
    #[error("the key does not fit the certificate: {0}")]
    Key(#[from] Error),
}

/// A relay's certificate chain and key. The key is never printed.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    pin: SpkiPin,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.pin)
    }
}

impl Identity {
    /// A new self-signed identity for these names, as PEM text of certificate and key, to be
    /// stored; the key belongs in a file of mode 0600. Whoever dials it must know its pin.
    ///
    /// # Errors
    /// [`IdentityError::Certificate`] when a name can't be put into a certificate.
    pub fn self_signed(names: &[String]) -> Result<(String, Zeroizing<String>), IdentityError> {
        let broken = |error: rcgen::Error| IdentityError::Certificate(error.to_string());
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(broken)?;
        let mut params = CertificateParams::new(names).map_err(broken)?;
        params.distinguished_name.push(DnType::CommonName, "Gantline relay");
        let certificate = params.self_signed(&key).map_err(broken)?;
        Ok((certificate.pem(), Zeroizing::new(key.serialize_pem())))
    }

    /// The identity in these PEM texts: a chain, the relay's own certificate first, and its key.
    ///
    /// # Errors
    /// [`IdentityError`] when they can't be read or don't belong together.
    pub fn from_pem(chain: &str, key: &str) -> Result<Self, IdentityError> {
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
        let own =
            chain.first().ok_or_else(|| IdentityError::Certificate("there is none".into()))?;
        let pin = pin_of(own).map_err(IdentityError::Key)?;
        let identity = Self { chain, key, pin };
        identity.server_config()?;
        Ok(identity)
    }

    /// What a dialler must know to recognise this relay.
    #[must_use]
    pub const fn pin(&self) -> SpkiPin {
        self.pin
    }

    /// TLS for a listener that speaks HTTP/1.1 over TCP.
    ///
    /// # Errors
    /// [`IdentityError::Key`] when TLS doesn't take the key.
    pub fn https_config(&self) -> Result<Arc<ServerConfig>, IdentityError> {
        let mut config = self.server_config()?;
        config.alpn_protocols = vec![HTTP.to_vec()];
        Ok(Arc::new(config))
    }

    /// TLS for a listener of links.
    pub(crate) fn server_config(&self) -> Result<ServerConfig, Error> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(config)
    }
}

/// TLS for dialling `relay`: believes just the key with its pin, or else the Web PKI as the
/// system knows it.
pub(crate) fn client_config(relay: &RelayAddress) -> Result<ClientConfig, Error> {
    let provider = provider();
    let builder =
        ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[&TLS13])?;
    let mut config = match relay.pin {
        Some(pin) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned { pin, provider }))
            .with_no_client_auth(),
        None => builder.with_platform_verifier()?.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

/// The name to ask for in TLS.
pub(crate) fn server_name(relay: &RelayAddress) -> String {
    relay.host.as_str().to_owned()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn pin_of(certificate: &CertificateDer<'_>) -> Result<SpkiPin, Error> {
    let certificate =
        EndEntityCert::try_from(certificate).map_err(|_| CertificateError::BadEncoding)?;
    Ok(SpkiPin(Sha256::digest(certificate.subject_public_key_info()).into()))
}

/// Believes one key and nobody else: neither names nor dates nor authorities matter.
#[derive(Debug)]
struct Pinned {
    pin: SpkiPin,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match pin_of(end_entity)?.0.ct_eq(&self.pin.0).into() {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only TLS 1.3 is spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        None
    }
}
