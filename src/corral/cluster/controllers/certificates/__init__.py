"""CertificateSigningRequests: approved by themselves where that is safe, signed, and cleaned away."""
