#define _POSIX_C_SOURCE 200809L

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ltlx.h"
#include "ltlx_libpq.h"
#include "tlx_machine.h"

/*
 * Sessions with PostgreSQL by libpq, which is never left to wait for an answer: it is asked for
 * what has come, and the wait is ours.
 */

#define SESSION "telnyx.core.postgres " TLX_VERSION
#define ANSWER "telnyx.core.postgres answer " TLX_VERSION

#define MISSING                                                                       \
  "needs libpq, PostgreSQL's own library for clients: apt install libpq5; elsewhere " \
  "the package is libpq, or postgresql-libs"

#define MAX_PARAMETERS 64
#define MAX_WAIT_S 3600
#define MAX_WORDS 4096

typedef struct session {
  ltlx_libpq pq;
  pg_conn *conn;     /* NULL: it is closed */
  pg_result *result; /* what has come of the answer */
  bool is_asked;     /* the answer is not whole */
  bool is_lost;      /* nothing more can be asked */
  unsigned long n_forks;
  dev_t device; /* of its socket */
  ino_t inode;
} session;

/* An answer while it is made into rows: finalizers run meanwhile, and may use the session. */
typedef struct answer {
  void (*clear)(pg_result *);
  pg_result *result;
} answer;

static int push_missing(lua_State *L) {
  lua_pushnil(L);
  lua_pushliteral(L, MISSING);
  return 2;
}

/* core.libpq_version() -> number, as in 150018 | nil, what to install */
static int l_libpq_version(lua_State *L) {
  ltlx_libpq pq;
  if (!ltlx_libpq_load(&pq)) return push_missing(L);
  lua_pushinteger(L, (lua_Integer)pq.PQlibVersion());
  return 1;
}

/* ---- the end of a session ---- */

static void forget_result(session *s) {
  if (s->result) s->pq.PQclear(s->result);
  s->result = NULL;
}

/* The parent goes on in it: nothing may be said on its socket, by TLS neither. A child that became
 * a daemon has closed everything, and may have files of its own by now. */
static void leave_to_parent(const session *s, pg_conn *conn) {
  struct stat now;
  int fd = s->pq.PQsocket(conn);
  if (fd < 0 || fstat(fd, &now) != 0) return;
  if (now.st_dev == s->device && now.st_ino == s->inode) close(fd);
}

/* It says goodbye if there is room for that, and waits for nothing. */
static void end(session *s) {
  pg_conn *conn = s->conn;
  forget_result(s);
  s->conn = NULL;
  if (!conn) return;
  if (s->n_forks == tlx_machine_n_forks())
    s->pq.PQfinish(conn);
  else
    leave_to_parent(s, conn);
}

/* session:close(); also __gc and __close */
static int l_close(lua_State *L) {
  end(luaL_checkudata(L, 1, SESSION));
  return 0;
}

/* ---- its beginning ---- */

/* What the server has said, or else what libpq has to say. A copy: see `answer`. */
static int push_failure(lua_State *L, const session *s) {
  char copy[MAX_WORDS];
  const char *words = s->result ? s->pq.PQresultErrorMessage(s->result) : "";
  if (!*words && s->conn) words = s->pq.PQerrorMessage(s->conn);
  snprintf(copy, sizeof copy, "%s", *words ? words : "libpq gives no reason");
  lua_pushnil(L);
  lua_pushstring(L, copy);
  return 2;
}

/* libpq would write them to the program's standard error. */
static void drop_notice(void *unused, const char *words) {
  (void)unused;
  (void)words;
}

/* Whether it is one that can be asked, and will not be waited for. */
static bool is_ready(session *s) {
  struct stat status;
  if (s->pq.PQstatus(s->conn) != PQ_CONNECTION_OK) return false;
  s->pq.PQsetNoticeProcessor(s->conn, drop_notice, NULL);
  if (s->pq.PQsetnonblocking(s->conn, 1) != 0) return false;
  if (fstat(s->pq.PQsocket(s->conn), &status) != 0) return false;
  s->device = status.st_dev;
  s->inode = status.st_ino;
  return true;
}

/*
 * core.postgres(connection) -> session | nil, libpq's words, of one line or more
 *
 * Waits as long as `connect_timeout` in the connection says.
 */
static int l_postgres(lua_State *L) {
  size_t n;
  const char *connection = luaL_checklstring(L, 1, &n);
  luaL_argcheck(L, strlen(connection) == n, 1, "a text without a NUL expected");
  session *s = ltlx_new_object(L, sizeof *s, SESSION);
  if (!ltlx_libpq_load(&s->pq)) return push_missing(L);
  s->n_forks = tlx_machine_n_forks();
  s->conn = s->pq.PQconnectdb(connection);
  if (s->conn && is_ready(s)) return 1;
  int n_results = push_failure(L, s);
  end(s);
  return n_results;
}

/* A child has none. */
static session *to_session(lua_State *L) {
  session *s = luaL_checkudata(L, 1, SESSION);
  if (s->conn && s->n_forks != tlx_machine_n_forks()) end(s);
  return s;
}

/* ---- a statement ---- */

/* Of two, the second would be told what the first is. */
static bool may_ask(const session *s) {
  return s->conn && !s->is_asked && !s->is_lost;
}

static int push_unusable(lua_State *L) {
  lua_pushnil(L);
  lua_pushliteral(L, "the session can be asked nothing any more");
  return 2;
}

static int push_sent(lua_State *L, session *s, bool is_sent) {
  s->is_asked = is_sent;
  s->is_lost = !is_sent;
  if (!is_sent) return push_failure(L, s);
  lua_pushboolean(L, true);
  return 1;
}

/* session:prepare(name, text) -> true: it is sent, or will be while its answer is waited for | nil,
 * why */
static int l_prepare(lua_State *L) {
  session *s = to_session(L);
  const char *name = luaL_checkstring(L, 2), *text = luaL_checkstring(L, 3);
  if (!may_ask(s)) return push_unusable(L);
  forget_result(s);
  return push_sent(L, s, s->pq.PQsendPrepare(s->conn, name, text, 0, NULL) != 0);
}

static const char *to_value(lua_State *L, int index) {
  size_t n;
  const char *value = luaL_optlstring(L, index, NULL, &n);
  luaL_argcheck(L, !value || strlen(value) == n, index, "a text without a NUL expected");
  return value;
}

static bool send_values(session *s, const char *name, int n, const char *const values[]) {
  return s->pq.PQsendQueryPrepared(s->conn, name, n, values, NULL, NULL, 0) != 0;
}

/* session:execute(name, ...) -> the same; the parameters are strings and nils */
static int l_execute(lua_State *L) {
  session *s = to_session(L);
  const char *name = luaL_checkstring(L, 2), *values[MAX_PARAMETERS];
  int n = lua_gettop(L) - 2;
  luaL_argcheck(L, n <= MAX_PARAMETERS, 2, "too many parameters");
  for (int i = 0; i < n; i++) values[i] = to_value(L, 3 + i);
  if (!may_ask(s)) return push_unusable(L);
  forget_result(s);
  return push_sent(L, s, send_values(s, name, n, values));
}

/* ---- its answer ---- */

static bool is_good(const session *s, const pg_result *result) {
  int status = s->pq.PQresultStatus(result);
  return status == PQ_COMMAND_OK || status == PQ_TUPLES_OK;
}

/* What has no SQLSTATE is not the server's word, but libpq's that it cannot be heard any more; and
 * a copy would have no end. */
static bool is_last(const session *s, const pg_result *result) {
  int status = s->pq.PQresultStatus(result);
  if (status == PQ_COPY_OUT || status == PQ_COPY_IN || status == PQ_COPY_BOTH) return true;
  return !is_good(s, result) && !s->pq.PQresultErrorField(result, PQ_SQLSTATE);
}

/* Of several, the first that is wrong. */
static void keep(session *s, pg_result *next) {
  s->is_lost = is_last(s, next);
  if (s->result && !is_good(s, s->result)) {
    s->pq.PQclear(next);
    return;
  }
  forget_result(s);
  s->result = next;
}

/* By what has come: libpq waits for nothing where it says that it is not busy. */
static bool is_answered(session *s) {
  while (!s->is_lost && !s->pq.PQisBusy(s->conn)) {
    pg_result *next = s->pq.PQgetResult(s->conn);
    s->is_asked = next != NULL;
    if (!next) return true;
    keep(s, next);
  }
  return s->is_lost;
}

/* What came before it broke may still be an answer. */
static bool take_what_came(session *s) {
  bool is_whole = s->pq.PQconsumeInput(s->conn) != 0;
  if (is_answered(s)) return true;
  s->is_lost = !is_whole;
  return s->is_lost;
}

/* TLS may have read more than it has given yet, of which the socket tells nothing: so libpq is
 * asked before and after. A signal ends it early. */
static bool await(session *s, int timeout_ms) {
  if (take_what_came(s)) return true;
  struct pollfd watched = { .fd = s->pq.PQsocket(s->conn), .events = POLLIN };
  if (s->pq.PQflush(s->conn) > 0) watched.events |= POLLOUT;
  poll(&watched, 1, timeout_ms);
  return take_what_came(s);
}

/* session:wait(seconds) -> whether nothing more will come of the answer: then it can be taken */
static int l_wait(lua_State *L) {
  session *s = to_session(L);
  double seconds = (double)luaL_checknumber(L, 2);
  luaL_argcheck(L, seconds >= 0 && seconds <= MAX_WAIT_S, 2, "seconds from 0 to 3600 expected");
  bool is_over = !s->conn || !s->is_asked || s->is_lost;
  lua_pushboolean(L, is_over || await(s, (int)ceil(seconds * 1000)));
  return 1;
}

/* [-0, +1] */
static void push_row(lua_State *L, const ltlx_libpq *pq, const pg_result *result, int row) {
  int n_columns = pq->PQnfields(result);
  lua_createtable(L, 0, n_columns);
  for (int column = 0; column < n_columns; column++) {
    if (pq->PQgetisnull(result, row, column)) continue;
    lua_pushstring(L, pq->PQfname(result, column));
    lua_pushlstring(L, pq->PQgetvalue(result, row, column),
                    (size_t)pq->PQgetlength(result, row, column));
    lua_rawset(L, -3);
  }
}

/* Of the server's own word. [-0, +1] */
static void push_sqlstate(lua_State *L, const session *s) {
  bool has_one = !s->is_lost && s->result;
  lua_pushstring(L, has_one ? s->pq.PQresultErrorField(s->result, PQ_SQLSTATE) : NULL);
}

/* session:rows() -> tables of text by the name of the column | nil, the server's words or libpq's,
 * and the server's SQLSTATE or nil */
static int l_rows(lua_State *L) {
  session *s = to_session(L);
  answer *a = ltlx_new_object(L, sizeof *a, ANSWER);
  if (!s->conn) return push_unusable(L);
  if (s->is_asked && !s->is_lost) return luaL_error(L, "the answer is not there yet");
  if (s->is_lost || !s->result || !is_good(s, s->result)) {
    int n = push_failure(L, s);
    push_sqlstate(L, s);
    return n + 1;
  }
  *a = (answer){ s->pq.PQclear, s->result };
  s->result = NULL;
  int n_rows = s->pq.PQntuples(a->result);
  lua_createtable(L, n_rows, 0);
  for (int row = 0; row < n_rows; row++) {
    push_row(L, &s->pq, a->result, row);
    lua_rawseti(L, -2, row + 1);
  }
  a->clear(a->result);
  a->result = NULL;
  return 1;
}

static int l_answer_gc(lua_State *L) {
  answer *a = luaL_checkudata(L, 1, ANSWER);
  if (a->result) a->clear(a->result);
  a->result = NULL;
  return 0;
}

/* session:is_up() -> whether it can be asked something */
static int l_is_up(lua_State *L) {
  const session *s = to_session(L);
  lua_pushboolean(L, may_ask(s) && s->pq.PQstatus(s->conn) == PQ_CONNECTION_OK);
  return 1;
}

void ltlx_open_postgres(lua_State *L) {
  static const luaL_Reg functions[] = { { "libpq_version", l_libpq_version },
                                        { "postgres", l_postgres },
                                        { NULL, NULL } };
  static const luaL_Reg none[] = { { NULL, NULL } };
  static const luaL_Reg methods[] = {
    { "prepare", l_prepare }, { "execute", l_execute }, { "wait", l_wait }, { "rows", l_rows },
    { "is_up", l_is_up },     { "close", l_close },     { NULL, NULL },
  };
  static const luaL_Reg metamethods[] = { { "__gc", l_close },
                                          { "__close", l_close },
                                          { NULL, NULL } };
  static const luaL_Reg of_answers[] = { { "__gc", l_answer_gc }, { NULL, NULL } };
  ltlx_register_type(L, ANSWER, none, of_answers, 0);
  ltlx_register_type(L, SESSION, methods, metamethods, 0);
  lua_pushvalue(L, -2);
  ltlx_set_functions(L, functions, 0);
  lua_pop(L, 1);
}
