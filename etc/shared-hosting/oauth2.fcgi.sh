#!/bin/sh
# Starts oauth2-fcgi on a shared host, where nobody but the host's owner edits the server's
# configuration. Copy it to oauth2/oauth2.fcgi below the directory of your web pages, mode 0755
# (suEXEC refuses a file that the group may write to). The file htaccess goes into that directory.
#
# It serves as FastCGI or as CGI, whichever the host does: the program sees which one it is.
# suEXEC drops the variables that a web server was told to set: so this file names the
# configuration.

# Where the two are. Without root: `make install PREFIX=/home/you/oauth2-fcgi`, and a
# configuration outside the directory of your web pages, its keys with mode 0600. Write full
# paths: $HOME is not set here.
program=/usr/local/libexec/oauth2.fcgi
config=/etc/oauth2-fcgi/oauth2.yaml

# Not by an option: a host may pass words of the URL as arguments, and none may reach the program.
export OAUTH2_CONFIG="$config"

# exec: the host's signals must reach the program itself.
exec "$program"
