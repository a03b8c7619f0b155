/* SPDX-License-Identifier: MIT */
/* What to change in which file of which web server, for each fault that selftest can find. */
#include "advice.h"

enum server {
	SERVER_APACHE,
	SERVER_NGINX,
	SERVER_LIGHTTPD,
	SERVER_PROGRAM, /* our own configuration: the same whatever the web server */
	SERVER__MAX,
};

/* Names as they stand in a Server header, and where our configuration is put. */
static const struct {
	const char *name;
	const char *file;
} servers[SERVER__MAX] = {
	[SERVER_APACHE] = { "Apache", "conf-available/oauth2-fcgi.conf" },
	[SERVER_NGINX] = { "nginx", "snippets/oauth2-fcgi.conf" },
	[SERVER_LIGHTTPD] = { "lighttpd", "conf-available/50-oauth2-fcgi.conf" },
	[SERVER_PROGRAM] = { "oauth2-fcgi", "oauth2.yaml" },
};

#define ADD "add"
#define CHANGE "change"
#define REMOVE "remove"
/* Under Apache each module has a line of its own, and its answers do not tell which one it is.
 */
#define PROXY_PASS(path)                                                                     \
	"ProxyPass \"" path "\" \"unix:/run/oauth2-fcgi/oauth2.sock|fcgi://oauth2-fcgi" path \
	"\""
#define APACHE_SITE "sites-available/default-ssl.conf"
#define NGINX_SITE "sites-available/default"
#define LIGHTTPD_SITE "conf-available/10-ssl.conf"

/* The lines are those of etc/, so that they can be looked up there. */
static const struct {
	enum advice advice;
	enum server server;
	const char *verb;
	const char *line;
	const char *file; /* NULL: the server's */
} rows[] = {
	{ ADVICE_CERTIFICATE, SERVER_APACHE, CHANGE,
		"SSLCertificateFile \"/etc/ssl/certs/auth.example.com.pem\"", APACHE_SITE },
	{ ADVICE_CERTIFICATE, SERVER_NGINX, CHANGE,
		"ssl_certificate /etc/ssl/certs/auth.example.com.pem;", NGINX_SITE },
	{ ADVICE_CERTIFICATE, SERVER_LIGHTTPD, CHANGE,
		"ssl.pemfile = \"/etc/ssl/certs/auth.example.com.pem\"", LIGHTTPD_SITE },

	{ ADVICE_TLS_OFF, SERVER_APACHE, ADD, "SSLEngine on", APACHE_SITE },
	{ ADVICE_TLS_OFF, SERVER_NGINX, CHANGE, "listen 443 ssl;", NGINX_SITE },
	{ ADVICE_TLS_OFF, SERVER_LIGHTTPD, ADD, "ssl.engine = \"enable\"", LIGHTTPD_SITE },

	{ ADVICE_TLS_VERSION, SERVER_APACHE, CHANGE, "SSLProtocol -all +TLSv1.2 +TLSv1.3",
		APACHE_SITE },
	{ ADVICE_TLS_VERSION, SERVER_NGINX, CHANGE, "ssl_protocols TLSv1.2 TLSv1.3;",
		NGINX_SITE },
	{ ADVICE_TLS_VERSION, SERVER_LIGHTTPD, CHANGE,
		"ssl.openssl.ssl-conf-cmd = (\"MinProtocol\" => \"TLSv1.2\")", LIGHTTPD_SITE },

	{ ADVICE_PLAIN_HTTP, SERVER_PROGRAM, CHANGE, "require_tls: true", NULL },

	{ ADVICE_ROUTE, SERVER_APACHE, ADD,
		"Alias \"/oauth2\" \"/usr/local/libexec/oauth2.fcgi\"", NULL },
	{ ADVICE_ROUTE, SERVER_APACHE, ADD, PROXY_PASS("/oauth2"), NULL },
	{ ADVICE_ROUTE, SERVER_NGINX, ADD, "location ^~ /oauth2/ { fastcgi_pass oauth2_fcgi; }",
		NULL },
	{ ADVICE_ROUTE, SERVER_LIGHTTPD, CHANGE, "\"check-local\" => \"disable\",", NULL },

	{ ADVICE_FORBIDDEN, SERVER_APACHE, ADD, "Require all granted", NULL },
	{ ADVICE_FORBIDDEN, SERVER_NGINX, REMOVE, "deny all;", NULL },
	{ ADVICE_FORBIDDEN, SERVER_LIGHTTPD, REMOVE, "url.access-deny", NULL },

	{ ADVICE_START, SERVER_APACHE, CHANGE,
		"FcgidCmdOptions \"/usr/local/libexec/oauth2.fcgi\" InitialEnv "
		"OAUTH2_CONFIG=/etc/oauth2-fcgi/oauth2.yaml MaxProcesses 16 MinProcesses 4",
		NULL },
	{ ADVICE_START, SERVER_APACHE, CHANGE, PROXY_PASS("/oauth2"), NULL },
	{ ADVICE_START, SERVER_NGINX, CHANGE, "server unix:/run/oauth2-fcgi/oauth2.sock;",
		NULL },
	{ ADVICE_START, SERVER_LIGHTTPD, CHANGE,
		"\"bin-path\" => \"/usr/local/libexec/oauth2.fcgi --config "
		"/etc/oauth2-fcgi/oauth2.yaml\",",
		NULL },

	{ ADVICE_PATH, SERVER_APACHE, CHANGE,
		"Alias \"/oauth2\" \"/usr/local/libexec/oauth2.fcgi\"", NULL },
	{ ADVICE_PATH, SERVER_APACHE, CHANGE, PROXY_PASS("/oauth2"), NULL },
	{ ADVICE_PATH, SERVER_NGINX, ADD, "fastcgi_param SCRIPT_NAME $fastcgi_script_name;",
		NULL },
	{ ADVICE_PATH, SERVER_LIGHTTPD, ADD, "\"fix-root-scriptname\" => \"enable\",", NULL },

	{ ADVICE_METHOD, SERVER_APACHE, REMOVE, "SetEnv REQUEST_METHOD", NULL },
	{ ADVICE_METHOD, SERVER_NGINX, ADD, "fastcgi_param REQUEST_METHOD $request_method;",
		NULL },
	{ ADVICE_METHOD, SERVER_LIGHTTPD, REMOVE, "\"REQUEST_METHOD\" =>", NULL },

	{ ADVICE_HTTPS, SERVER_APACHE, REMOVE, "UnsetEnv HTTPS", NULL },
	{ ADVICE_HTTPS, SERVER_NGINX, ADD, "fastcgi_param HTTPS $https if_not_empty;", NULL },
	{ ADVICE_HTTPS, SERVER_LIGHTTPD, ADD, "ssl.engine = \"enable\"", LIGHTTPD_SITE },

	{ ADVICE_ISSUER, SERVER_PROGRAM, CHANGE, "base_url:", NULL },

	{ ADVICE_WELL_KNOWN_OAUTH, SERVER_APACHE, ADD,
		"Alias \"/.well-known/oauth-authorization-server\" "
		"\"/usr/local/libexec/oauth2.fcgi\"",
		NULL },
	{ ADVICE_WELL_KNOWN_OAUTH, SERVER_APACHE, ADD,
		PROXY_PASS("/.well-known/oauth-authorization-server"), NULL },
	{ ADVICE_WELL_KNOWN_OAUTH, SERVER_NGINX, ADD,
		"location ^~ /.well-known/oauth-authorization-server { fastcgi_pass "
		"oauth2_fcgi; }",
		NULL },
	{ ADVICE_WELL_KNOWN_OAUTH, SERVER_LIGHTTPD, CHANGE,
		"$HTTP[\"url\"] =~ \"^(/oauth2/|/\\.well-known/oauth-authorization-server|"
		"/\\.well-known/openid-configuration)\" {",
		NULL },

	{ ADVICE_WELL_KNOWN_OPENID, SERVER_APACHE, ADD,
		"Alias \"/.well-known/openid-configuration\" "
		"\"/usr/local/libexec/oauth2.fcgi\"",
		NULL },
	{ ADVICE_WELL_KNOWN_OPENID, SERVER_APACHE, ADD,
		PROXY_PASS("/.well-known/openid-configuration"), NULL },
	{ ADVICE_WELL_KNOWN_OPENID, SERVER_NGINX, ADD,
		"location ^~ /.well-known/openid-configuration { fastcgi_pass oauth2_fcgi; }",
		NULL },
	{ ADVICE_WELL_KNOWN_OPENID, SERVER_LIGHTTPD, CHANGE,
		"$HTTP[\"url\"] =~ \"^(/oauth2/|/\\.well-known/oauth-authorization-server|"
		"/\\.well-known/openid-configuration)\" {",
		NULL },

	{ ADVICE_DOCUMENT_TYPE, SERVER_APACHE, REMOVE, "ForceType", NULL },
	{ ADVICE_DOCUMENT_TYPE, SERVER_NGINX, REMOVE, "add_header Content-Type", NULL },
	{ ADVICE_DOCUMENT_TYPE, SERVER_LIGHTTPD, REMOVE, "setenv.set-response-header", NULL },

	{ ADVICE_COMPRESSION, SERVER_APACHE, ADD, "SetEnv no-gzip 1", NULL },
	{ ADVICE_COMPRESSION, SERVER_NGINX, CHANGE, "gzip off;", NULL },
	{ ADVICE_COMPRESSION, SERVER_LIGHTTPD, ADD, "deflate.mimetypes = ( )", NULL },

	{ ADVICE_EXPIRES, SERVER_APACHE, REMOVE, "ExpiresActive On", NULL },
	{ ADVICE_EXPIRES, SERVER_NGINX, REMOVE, "expires", NULL },
	{ ADVICE_EXPIRES, SERVER_LIGHTTPD, REMOVE, "expire.url", NULL },

	{ ADVICE_CACHE_CONTROL, SERVER_APACHE, REMOVE, "Header set Cache-Control", NULL },
	{ ADVICE_CACHE_CONTROL, SERVER_NGINX, REMOVE, "add_header Cache-Control", NULL },
	{ ADVICE_CACHE_CONTROL, SERVER_LIGHTTPD, REMOVE, "setenv.add-response-header", NULL },

	{ ADVICE_METHODS_LIMITED, SERVER_APACHE, REMOVE, "<LimitExcept POST>", NULL },
	{ ADVICE_METHODS_LIMITED, SERVER_NGINX, REMOVE, "limit_except", NULL },
	{ ADVICE_METHODS_LIMITED, SERVER_LIGHTTPD, REMOVE, "$HTTP[\"request-method\"]", NULL },

	{ ADVICE_REDIRECT, SERVER_APACHE, REMOVE, "Redirect", NULL },
	{ ADVICE_REDIRECT, SERVER_NGINX, REMOVE, "return 301", NULL },
	{ ADVICE_REDIRECT, SERVER_LIGHTTPD, REMOVE, "url.redirect", NULL },

	{ ADVICE_INTERCEPT, SERVER_APACHE, ADD, "ProxyErrorOverride Off", NULL },
	{ ADVICE_INTERCEPT, SERVER_NGINX, ADD, "fastcgi_intercept_errors off;", NULL },
	{ ADVICE_INTERCEPT, SERVER_LIGHTTPD, ADD, "server.error-intercept = \"disable\"",
		NULL },

	{ ADVICE_CONTENT_TYPE_ADDED, SERVER_APACHE, REMOVE, "Header set Content-Type", NULL },
	{ ADVICE_CONTENT_TYPE_ADDED, SERVER_NGINX, REMOVE, "add_header Content-Type", NULL },
	{ ADVICE_CONTENT_TYPE_ADDED, SERVER_LIGHTTPD, REMOVE, "setenv.add-response-header",
		NULL },

	{ ADVICE_SERVER_AUTH, SERVER_APACHE, REMOVE, "Require valid-user", NULL },
	{ ADVICE_SERVER_AUTH, SERVER_NGINX, REMOVE, "auth_basic", NULL },
	{ ADVICE_SERVER_AUTH, SERVER_LIGHTTPD, REMOVE, "auth.require", NULL },

	{ ADVICE_AUTHORIZATION, SERVER_APACHE, ADD, "CGIPassAuth On", NULL },
	{ ADVICE_AUTHORIZATION, SERVER_NGINX, REMOVE, "fastcgi_param HTTP_AUTHORIZATION \"\";",
		NULL },
	{ ADVICE_AUTHORIZATION, SERVER_LIGHTTPD, REMOVE, "\"Authorization\" =>", NULL },

	{ ADVICE_CONTENT_TYPE, SERVER_APACHE, REMOVE, "RequestHeader set Content-Type", NULL },
	{ ADVICE_CONTENT_TYPE, SERVER_NGINX, ADD, "fastcgi_param CONTENT_TYPE $content_type;",
		NULL },
	{ ADVICE_CONTENT_TYPE, SERVER_LIGHTTPD, REMOVE, "\"Content-Type\" =>", NULL },

	{ ADVICE_CONTENT_LENGTH, SERVER_APACHE, REMOVE, "SetEnv proxy-sendchunked", NULL },
	{ ADVICE_CONTENT_LENGTH, SERVER_NGINX, ADD,
		"fastcgi_param CONTENT_LENGTH $content_length;", NULL },
	{ ADVICE_CONTENT_LENGTH, SERVER_LIGHTTPD, CHANGE, "server.stream-request-body = 0",
		NULL },

	{ ADVICE_QUERY, SERVER_APACHE, REMOVE, "RewriteRule", NULL },
	{ ADVICE_QUERY, SERVER_NGINX, ADD, "fastcgi_param QUERY_STRING $query_string;", NULL },
	{ ADVICE_QUERY, SERVER_LIGHTTPD, REMOVE, "url.rewrite", NULL },

	{ ADVICE_SIZE, SERVER_APACHE, ADD, "LimitRequestBody 1048576", NULL },
	{ ADVICE_SIZE, SERVER_NGINX, ADD, "client_max_body_size 1m;", NULL },
	{ ADVICE_SIZE, SERVER_LIGHTTPD, CHANGE, "server.max-request-size = 1024",
		"lighttpd.conf" },
	{ ADVICE_SIZE_FCGID, SERVER_APACHE, CHANGE, "FcgidMaxRequestLen 1048576", NULL },

	{ ADVICE_REQUEST_ID_ADDED, SERVER_APACHE, REMOVE, "Header set X-Request-Id", NULL },
	{ ADVICE_REQUEST_ID_ADDED, SERVER_NGINX, REMOVE, "add_header X-Request-Id", NULL },
	{ ADVICE_REQUEST_ID_ADDED, SERVER_LIGHTTPD, REMOVE, "setenv.add-response-header",
		NULL },

	{ ADVICE_REQUEST_ID_HIDDEN, SERVER_APACHE, REMOVE, "Header unset X-Request-Id", NULL },
	{ ADVICE_REQUEST_ID_HIDDEN, SERVER_NGINX, REMOVE, "fastcgi_hide_header X-Request-Id",
		NULL },
	{ ADVICE_REQUEST_ID_HIDDEN, SERVER_LIGHTTPD, REMOVE, "setenv.set-response-header",
		NULL },
};

/* The server of a Server header, such as "nginx/1.22.1"; SERVER__MAX: another one. */
static enum server find_server(struct str header)
{
	for (enum server server = 0; server < SERVER_PROGRAM; server++) {
		struct str name = str_of(servers[server].name);

		struct str rest = str_from(header, name.n);

		if (str_eq_nocase(str_upto(header, name.n), name) &&
			(rest.n == 0 || str_has(STR("/ "), rest.p[0])))
			return server;
	}
	return SERVER__MAX;
}

static void write_row(struct buf *buf, size_t row, struct str line)
{
	const char *file = rows[row].file != NULL ? rows[row].file
						  : servers[rows[row].server].file;

	buf_text(buf, "in ");
	buf_text(buf, file);
	buf_text(buf, " of ");
	buf_text(buf, servers[rows[row].server].name);
	buf_char(buf, ' ');
	buf_text(buf, rows[row].verb);
	/* So that it can be copied: many lines end in ";" themselves. */
	buf_text(buf, ": `");
	buf_str(buf, line.n > 0 ? line : str_of(rows[row].line));
	buf_char(buf, '`');
}

void advice_write(struct buf *buf, enum advice advice, struct str server, struct str line)
{
	enum server wanted = find_server(server);
	bool is_first = true;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].advice != advice ||
			(wanted != SERVER__MAX && rows[i].server != wanted &&
				rows[i].server != SERVER_PROGRAM))
			continue;
		if (!is_first)
			buf_text(buf, "; ");
		write_row(buf, i, line);
		is_first = false;
	}
}
