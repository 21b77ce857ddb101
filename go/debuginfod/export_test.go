package debuginfod

import (
	"net/http"
	"net/http/httptest"
)

// TrustServer makes c accept the certificate of a test's server.
func TrustServer(c *Client, server *httptest.Server) {
	c.http.Transport.(*http.Transport).TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
}
