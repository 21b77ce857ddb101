package debuginfod

import (
	"fmt"
	"net/url"
	"strings"
)

// ParseServers reads a list of servers as $DEBUGINFOD_URLS has it: URLs,
// separated by white space. elfutils' own words in it ("ima:enforcing") are
// passed over. A URL that is not of http or https is an error.
func ParseServers(list string) ([]string, error) {
	var servers []string
	for _, word := range strings.Fields(list) {
		if strings.HasPrefix(word, "ima:") {
			continue
		}
		server, err := url.Parse(word)
		if err != nil {
			return nil, fmt.Errorf("debuginfod: %q is not a URL", word)
		}
		if !allowed(server) {
			return nil, fmt.Errorf("debuginfod: %s: want http://HOST or https://HOST", server.Redacted())
		}
		server.RawQuery, server.Fragment = "", ""
		servers = append(servers, strings.TrimRight(server.String(), "/"))
	}
	return servers, nil
}

func allowed(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.Opaque == ""
}

// redacted is a server's name for people: without its password.
func redacted(server string) string {
	if u, err := url.Parse(server); err == nil {
		return u.Redacted()
	}
	return "(a server)"
}

// The shortest and longest build IDs, in hexadecimal digits. Linkers write 8 to
// 20 bytes; fewer than 4 say nothing about what a file is.
const minBuildID, maxBuildID = 8, 128

// checkBuildID gives the build ID as file names and URLs have it.
func checkBuildID(buildID string) (string, error) {
	id := strings.ToLower(buildID)
	if len(id) < minBuildID || len(id) > maxBuildID || len(id)%2 != 0 || strings.Trim(id, "0123456789abcdef") != "" {
		if len(buildID) > maxBuildID {
			buildID = buildID[:maxBuildID] + "…"
		}
		return "", fmt.Errorf("debuginfod: %q: %w", buildID, ErrBuildID)
	}
	return id, nil
}
