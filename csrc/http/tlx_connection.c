#define _GNU_SOURCE /* SOCK_CLOEXEC */

#include "tlx_connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#ifndef SOCK_CLOEXEC
#define SOCK_CLOEXEC 0
#endif

/* Not inherited by programs that the host runs: they would keep the connection open. */
static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address) {
  tlx_connection *c = user;
  (void)purpose;
  curl_socket_t fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (fd == CURL_SOCKET_BAD) {
    c->had_no_descriptor = errno == EMFILE || errno == ENFILE;
  } else if (SOCK_CLOEXEC == 0) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  return fd;
}

static void set_tls(const tlx_dialler *dialler, CURL *easy) {
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(easy, CURLOPT_SHARE, dialler->share);
  const char *bundle = dialler->ca_file;
#if LIBCURL_VERSION_NUM >= 0x074600
  const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
  if (!bundle && info->age >= CURLVERSION_SEVENTH) bundle = info->cainfo;
#endif
  if (!bundle) return;
  curl_easy_setopt(easy, CURLOPT_CAINFO, bundle);
  curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, bundle);
  /* With a folder of certificates set, libcurl parses the whole bundle for each connection. */
  curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
  curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL);
}

static void set_protocols(CURL *easy) {
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
  /* Or TLS would agree on HTTP/2. */
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  /* Else a proxy for plain http would be taken for the service. */
  curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
}

static void end_dialling(tlx_dialler *dialler, tlx_connection *c) {
  if (!c->is_dialling) return;
  c->is_dialling = false;
  dialler->n_dialling--;
}

static CURL *new_easy(const tlx_dialler *dialler, tlx_connection *c, long timeout_ms) {
  CURL *easy = curl_easy_init();
  if (!easy) return NULL;
  curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, c);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->error);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, c);
  if (dialler->proxy) curl_easy_setopt(easy, CURLOPT_PROXY, dialler->proxy);
  set_protocols(easy);
  set_tls(dialler, easy);
  if (curl_easy_setopt(easy, CURLOPT_URL, dialler->url) == CURLE_OK) return easy;
  curl_easy_cleanup(easy);
  return NULL;
}

tlx_connection *tlx_connection_dial(tlx_dialler *dialler, long timeout_ms) {
  tlx_connection *c = calloc(1, sizeof *c);
  if (!c) return NULL;
  c->fd = -1;
  c->is_tls = dialler->is_tls;
  c->openssl = &dialler->openssl;
  c->easy = new_easy(dialler, c, timeout_ms);
  if (c->easy && curl_multi_add_handle(dialler->multi, c->easy) == CURLM_OK) {
    c->is_dialling = true;
    dialler->n_dialling++;
    return c;
  }
  if (c->easy) curl_easy_cleanup(c->easy);
  free(c);
  return NULL;
}

tlx_connection *tlx_connection_made(tlx_dialler *dialler, CURLcode *code) {
  int n_left = 0;
  CURLMsg *message;
  while ((message = curl_multi_info_read(dialler->multi, &n_left)) != NULL) {
    if (message->msg != CURLMSG_DONE) continue;
    tlx_connection *c = NULL;
    curl_socket_t fd = CURL_SOCKET_BAD;
    *code = message->data.result;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&c);
    curl_easy_getinfo(message->easy_handle, CURLINFO_ACTIVESOCKET, &fd);
    if (*code == CURLE_OK && fd == CURL_SOCKET_BAD) *code = CURLE_COULDNT_CONNECT;
    if (*code == CURLE_OK) c->fd = fd;
    end_dialling(dialler, c);
    return c;
  }
  return NULL;
}

tlx_io tlx_connection_send(tlx_connection *c, tlx_str bytes, size_t *n) {
  *n = 0;
  CURLcode code = curl_easy_send(c->easy, bytes.p, bytes.n, n);
  if (code == CURLE_AGAIN || (code == CURLE_OK && *n == 0)) return TLX_IO_AGAIN;
  return code == CURLE_OK ? TLX_IO_DONE : TLX_IO_BROKEN;
}

tlx_io tlx_connection_receive(tlx_connection *c, char *bytes, size_t size, size_t *n) {
  *n = 0;
  if (c->is_over) return TLX_IO_BROKEN;
  CURLcode code = curl_easy_recv(c->easy, bytes, size, n);
  if (code == CURLE_AGAIN) return TLX_IO_AGAIN;
  if (code == CURLE_OK && *n > 0) return TLX_IO_DONE;
  c->is_over = true;
  return code == CURLE_OK ? TLX_IO_CLOSED : TLX_IO_BROKEN;
}

bool tlx_connection_is_quiet(tlx_connection *c) {
  char byte;
  size_t n;
  return tlx_connection_receive(c, &byte, 1, &n) == TLX_IO_AGAIN;
}

/* Of TLS with a proxy too, under whatever else. */
static bool has_arrived(const tlx_connection *c) {
  char byte;
  ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

/* On most connections one look at the socket is all that it takes. */
bool tlx_connection_is_silent(tlx_connection *c) {
  if (has_arrived(c)) {
    tlx_connection_is_quiet(c); /* may be an end */
    return false;
  }
  if (!c->is_tls || tlx_record_is_known(c->easy, c->openssl)) {
    return !(c->is_tls && tlx_record_is_held(c->easy, c->openssl));
  }
  return tlx_connection_is_quiet(c);
}

/* Before 7.85, libcurl only marks a connection that is let go of as one to be closed some time. */
static bool closes_late(void) {
  return curl_version_info(CURLVERSION_NOW)->version_num < 0x075500;
}

void tlx_connection_close(tlx_dialler *dialler, tlx_connection *c) {
  end_dialling(dialler, c);
  if (c->fd >= 0 && closes_late()) shutdown(c->fd, SHUT_RDWR);
  curl_multi_remove_handle(dialler->multi, c->easy);
  curl_easy_cleanup(c->easy);
  tlx_record_forget_errors(c->openssl);
  tlx_list_leave(&c->link);
  free(c);
}

void tlx_dialler_reset(tlx_dialler *dialler) {
  if (dialler->multi) curl_multi_cleanup(dialler->multi);
  if (dialler->share) curl_share_cleanup(dialler->share);
  dialler->multi = NULL;
  dialler->share = NULL;
  dialler->n_dialling = 0;
}
