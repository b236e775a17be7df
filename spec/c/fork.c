/*
 * A host that forks. Parent and child both go on with the client that the parent made: no request
 * of one travels on a connection of the other, each message is posted once, and what was under way
 * stays the parent's: unknown in the child, accepted in the parent.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "canned.h"
#include "host.h"

#define CEILING_STEPS 500

static canned service;
static int n_faults;

static void check(bool is_so, const char *what) {
  if (!is_so) fprintf(stderr, "fork: not so: %s\n", what);
  n_faults += !is_so;
}

static void expect(lua_State *L, const char *text, const char *expected) {
  const char *got = host_run(L, text);
  if (!got || strcmp(got, expected) != 0) {
    fprintf(stderr, "fork: %s gave %s, expected %s\n", text, got ? got : "an error", expected);
    n_faults++;
  }
}

static int port_of(int reference) {
  for (int i = 0; i < service.log->n_posts; i++) {
    if (service.log->posts[i].reference == reference) return service.log->posts[i].client_port;
  }
  return 0;
}

static bool is_port_of_any(int port, const int *references) {
  for (; *references; references++) {
    if (port_of(*references) == port) return true;
  }
  return false;
}

static void step_until_posted(lua_State *L, const char *step, int reference) {
  for (int i = 0; i < CEILING_STEPS && canned_count(&service, reference) == 0; i++) {
    host_run(L, step);
  }
}

/* Two connections that are kept alive, then a slow request on one of them. */
static void prepare(lua_State *L) {
  host_run(L,
           "a, b = client:start(message(1)), client:start(message(2)) "
           "while client:step(1) > 0 do end");
  expect(L, "return outcome(client:finished():result())", "accepted");
  host_run(L, "slow = client:start(message(3, 'slow'))");
  step_until_posted(L, "client:step(0.01)", 3);
  check(canned_count(&service, 3) == 1, "the slow request is under way");
}

/* One message is under way, one is done and was not asked for yet. */
static void live_as_child(lua_State *L) {
  n_faults = 0;
  expect(L, "return client:step(0)", "0");
  expect(L, "return outcome(slow:result())", "unknown");
  expect(L, "return outcome(client:finished():result())", "accepted");
  expect(L, "return tostring((client:finished()))", "nil");
  expect(L, "return send(11)", "accepted");
  expect(L, "return send(12)", "accepted");
  expect(L, "client:close() slow, a, b = nil collectgarbage() return 1", "1");
  lua_close(L);
}

static void live_as_parent(lua_State *L) {
  expect(L, "return send(4)", "accepted");
  expect(L, "while not slow:done() do client:step(1) end return outcome(slow:result())",
         "accepted");
  expect(L, "return send(5)", "accepted");
}

static void finish_child(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child found all well");
}

/* A child that only ends, as its state is closed or as it is collected, disturbs nobody. */
static void pass_by(lua_State *L, const char *last_words) {
  pid_t child = fork();
  if (child == 0) {
    bool is_good = host_run(L, last_words) != NULL;
    lua_close(L);
    _exit(is_good ? 0 : 1);
  }
  finish_child(child);
}

/* Of what is not even begun, a child cannot say that nothing will come of it. */
static void fork_before_begun(lua_State *L) {
  host_run(L, "early = client:start(message(8), { fresh = true })");
  pass_by(L, "assert(early:cancel())");
  expect(L, "while not early:done() do client:step(1) end return outcome(early:result())",
         "accepted");
}

static int l_fork(lua_State *L) {
  lua_pushinteger(L, fork());
  return 1;
}

/* The same one storey up, where what is unknown may even be tried again: not what the parent
 * carries on. */
static void prepare_whole(lua_State *L) {
  lua_register(L, "fork", l_fork);
  host_run(L,
           "telnyx, heard = require 'telnyx', { n = 0 } "
           "function new(url) return telnyx.new { api_key = 'KEY_HOST', base_url = url, "
           "  retry = { unknown = true, base = 0.1, cap = 0.1 } } end "
           "function note(_, info) "
           "  heard[info.outcome] = (heard[info.outcome] or 0) + 1 "
           "  heard.n = heard.n + 1 "
           "end "
           "function finish() repeat until whole:step(1) == 0 return heard.n end "
           "whole = new(base_url) "
           "for i = 101, 120 do whole:start(message(i, 'slow'), note) end");
  step_until_posted(L, "whole:step(0.01)", 120);
  expect(L, "return heard.n", "0");
}

static void live_as_whole_child(lua_State *L) {
  n_faults = 0;
  expect(L, "return whole:timeout()", "0");
  expect(L, "return outcome(whole:send(message(121)))", "accepted");
  expect(L, "for i = 122, 126 do whole:start(message(i), note) end return finish()", "25");
  expect(L, "return heard.unknown", "20");
  expect(L, "return heard.accepted", "5");
  lua_close(L);
}

static void fork_whole(lua_State *L) {
  prepare_whole(L);
  pid_t child = fork();
  if (child == 0) {
    live_as_whole_child(L);
    _exit(n_faults ? 1 : 0);
  }
  expect(L, "return finish()", "20");
  expect(L, "return heard.accepted", "20");
  finish_child(child);
}

/* A callback that forks while a send waits to be tried again: the parent alone tries. */
static void fork_within_send(lua_State *L) {
  host_run(L,
           "nowhere = new 'http://127.0.0.1:1/v2' "
           "nowhere:start(message(0), { retry = false }, function() child = fork() end) "
           "kept = outcome(nowhere:send(message(0)))");
  const char *words = host_run(L, "return child");
  pid_t child = words ? (pid_t)strtol(words, NULL, 10) : -1;
  if (child == 0) n_faults = 0;
  expect(L, "return kept", child == 0 ? "unknown" : "not_sent");
  if (child == 0) _exit(n_faults ? 1 : 0);
  finish_child(child);
}

/* Nor is what has not begun the child's: the parent will begin it. */
static void fork_before_it_begins(lua_State *L) {
  host_run(L,
           "young = core.client { api_key = 'KEY_HOST', base_url = base_url, max_connections = 1 } "
           "first, second = young:start(message(31)), young:start(message(32))");
  pid_t child = fork();
  if (child == 0) {
    n_faults = 0;
    expect(L, "return young:step(0)", "0");
    expect(L, "return outcome(first:result())", "unknown");
    expect(L, "return outcome(second:result())", "unknown");
    _exit(n_faults ? 1 : 0);
  }
  expect(L, "repeat until young:step(1) == 0 return 0", "0");
  expect(L, "return outcome(first:result())", "accepted");
  expect(L, "return outcome(second:result())", "accepted");
  finish_child(child);
}

/* A callback that forks while a request is under way: the parent alone goes on with it. */
static void fork_within_attempt(lua_State *L) {
  host_run(L,
           "busy = new(base_url) "
           "busy:start(message(33), function() child = fork() end) "
           "kept = outcome(busy:send(message(34, 'slow')))");
  const char *words = host_run(L, "return child");
  pid_t child = words ? (pid_t)strtol(words, NULL, 10) : -1;
  if (child == 0) n_faults = 0;
  expect(L, "return kept", child == 0 ? "unknown" : "accepted");
  if (child == 0) _exit(n_faults ? 1 : 0);
  finish_child(child);
}

/* A child that has closed everything has files of its own by those numbers. */
static void fork_daemon(lua_State *L) {
  enum { FIRST = 3, END = 64 };
  pid_t child = fork();
  if (child == 0) {
    n_faults = 0;
    for (int fd = FIRST; fd < END; fd++) dup2(STDERR_FILENO, fd);
    expect(L, "return client:step(0)", "0");
    for (int fd = FIRST; fd < END; fd++) {
      check(fcntl(fd, F_GETFD) >= 0, "a daemon's own files stay open");
    }
    _exit(n_faults ? 1 : 0);
  }
  finish_child(child);
}

/* "claim process", by whoever asks. */
static const char *names(lua_State *L) {
  const char *words = host_run(L, "return core.new_claim() .. ' ' .. core.process()");
  return words ? words : "";
}

/* A child draws other claims than its parent and knows its own process. */
static void fork_for_names(lua_State *L) {
  enum { CLAIM_DIGITS = 32 };
  char of_child[512] = "", id[24];
  int ends[2];
  names(L);
  check(pipe(ends) == 0, "a pipe");
  pid_t child = fork();
  if (child == 0) {
    const char *words = names(L);
    _exit(write(ends[1], words, strlen(words)) > CLAIM_DIGITS ? 0 : 1);
  }
  finish_child(child);
  check(read(ends[0], of_child, sizeof of_child - 1) > CLAIM_DIGITS, "the child has names");
  close(ends[0]);
  close(ends[1]);
  check(strncmp(of_child, names(L), CLAIM_DIGITS) != 0, "parent and child draw other claims");
  snprintf(id, sizeof id, "/%d", (int)child);
  check(strrchr(of_child, '/') && strcmp(strrchr(of_child, '/'), id) == 0,
        "the child knows its own process");
}

static void compare_books(void) {
  static const int PARENTS[] = { 1, 2, 3, 4, 5, 6, 7, 8, 31, 32, 33, 34, 0 };
  static const int CHILDS[] = { 11, 12, 0 };
  for (int i = 0; PARENTS[i]; i++) {
    check(canned_count(&service, PARENTS[i]) == 1, "a message of the parent is posted once");
  }
  for (int i = 0; CHILDS[i]; i++) {
    check(canned_count(&service, CHILDS[i]) == 1, "a message of the child is posted once");
    check(!is_port_of_any(port_of(CHILDS[i]), PARENTS), "the child has connections of its own");
  }
  for (int i = 101; i <= 126; i++) {
    check(canned_count(&service, i) == 1, "each of many messages is posted once");
  }
  check(port_of(12) == port_of(11), "the child keeps its connection");
  check(port_of(7) == port_of(6), "the parent's connection outlives the child");
}

int main(void) {
  service = canned_start();
  lua_State *L = host_open(&service);
  prepare(L);
  pid_t child = fork();
  if (child == 0) {
    live_as_child(L);
    _exit(n_faults ? 1 : 0);
  }
  live_as_parent(L);
  finish_child(child);
  expect(L, "return send(6)", "accepted");
  pass_by(L, "return 1");
  pass_by(L, "client:close()");
  pass_by(L, "client, slow, a, b = nil collectgarbage() collectgarbage()");
  expect(L, "return send(7)", "accepted");
  fork_before_begun(L);
  fork_whole(L);
  fork_within_send(L);
  fork_before_it_begins(L);
  fork_within_attempt(L);
  fork_daemon(L);
  fork_for_names(L);
  lua_close(L);
  check(canned_settle(&service), "every connection is closed");
  compare_books();
  canned_stop(&service);
  printf("fork: %s\n", n_faults ? "FAILED" : "parent and child share no connection and no message");
  return n_faults != 0;
}
