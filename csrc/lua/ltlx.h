/*
 * What the files of the binding share: one source for Lua 5.1 to 5.4 and LuaJIT. Internal to this
 * folder; every symbol but luaopen_telnyx_core is hidden.
 *
 * Three rules hold everywhere here. Nothing that needs freeing lives outside a userdata whose
 * metatable is set. No lua_State is kept. No Lua function is called inside a libcurl callback.
 * The brackets of each helper tell what it takes off the stack and what it leaves there.
 */
#ifndef LTLX_H
#define LTLX_H

#include <lauxlib.h>
#include <lua.h>

#include "tlx.h"
#include "tlx_findings.h"
#include "tlx_message.h"
#include "tlx_quote.h"
#include "tlx_reply.h"
#include "tlx_request.h"

/* Lua 5.1's names for what 5.2 renamed; LuaJIT has the 5.1 ones too. */
#if LUA_VERSION_NUM < 502
#define ltlx_rawlen(L, index) lua_objlen(L, index)
#define ltlx_setuservalue(L, index) lua_setfenv(L, index)
#define ltlx_getuservalue(L, index) lua_getfenv(L, index)
#else
#define ltlx_rawlen(L, index) lua_rawlen(L, index)
#if LUA_VERSION_NUM < 504
#define ltlx_setuservalue(L, index) lua_setuservalue(L, index)
#define ltlx_getuservalue(L, index) lua_getuservalue(L, index)
#else
#define ltlx_setuservalue(L, index) lua_setiuservalue(L, index, 1)
#define ltlx_getuservalue(L, index) lua_getiuservalue(L, index, 1)
#endif
#endif

/* ltlx_aux.c */

/* An index that stays right while the stack grows. [-0, +0] */
int ltlx_absindex(lua_State *L, int index);

/* A zeroed userdata of `size` bytes with the metatable called `type`, which must exist. [-0, +1] */
void *ltlx_new_object(lua_State *L, size_t size, const char *type);

/* Makes the metatable of a type; `methods` get copies of the `n_up` values on top. [-n_up, +0] */
void ltlx_register_type(lua_State *L, const char *type, const luaL_Reg *methods,
                        const luaL_Reg *metamethods, int n_up);

/* Adds `functions` to the table below the `n_up` values on top. [-n_up, +0] */
void ltlx_set_functions(lua_State *L, const luaL_Reg *functions, int n_up);

/* The string under `key` in the table, read raw; {NULL, 0} when absent. Raises when it is something
 * else. The view lives while the table holds the string. [-0, +0] */
tlx_str ltlx_field_string(lua_State *L, int table, const char *key);

/* The same of a number within [least, most], or `otherwise` when absent. [-0, +0] */
double ltlx_field_number(lua_State *L, int table, const char *key, double least, double most,
                         double otherwise);

/* The same of a boolean, absent counting as false. [-0, +0] */
bool ltlx_field_boolean(lua_State *L, int table, const char *key);

/* The choice among `choices` (NULL-terminated; `words` name them) under `key`, or 0 when absent.
 * [-0, +0] */
int ltlx_field_choice(lua_State *L, int table, const char *key, const char *const choices[],
                      const char *words);

/* Raises when the table has a key that is not among `names` (NULL-terminated). [-0, +0] */
void ltlx_check_names(lua_State *L, int table, const char *what, const char *const names[]);

/* t[key] = value for the table on top. [-0, +0] */
void ltlx_set_string(lua_State *L, const char *key, tlx_str value);
void ltlx_set_words(lua_State *L, const char *key, const char *words);
void ltlx_set_number(lua_State *L, const char *key, double value);
void ltlx_set_count(lua_State *L, const char *key, size_t value);
void ltlx_set_boolean(lua_State *L, const char *key, bool value);

/* Words for a value that is not what was asked for: "the number 42", "a table". [-0, +0] */
void ltlx_describe(lua_State *L, int index, char *words, size_t size);

/* ltlx_json.c: lua-cjson, through an instance of our own that no host's settings reach. */

/* Pushes the table that carries the instance; other functions get it as their first upvalue.
 * [-0, +1] */
void ltlx_json_open(lua_State *L);

/* Where else something may be kept in that table. */
enum { LTLX_KEPT_PUSH_RESULT = 3, LTLX_KEPT_LOST_WORDS = 4 };

/* Encodes the value at `index`. [-0, +1]: a string */
void ltlx_json_encode(lua_State *L, int index);

/* Decodes `text`: in tables null becomes absence and whole numbers become integers. [-0, +1]: the
 * value, or nil when it is not JSON or nests deeper than any reply of the service does */
void ltlx_json_decode(lua_State *L, tlx_str text);

/* ltlx_order.c */

/* In the place of the body that ltlx_json_encode left: the same with its members in order, which
 * is that of the message's fields, then of the bytes of the names, as in every object within. Equal
 * messages have equal bodies, whatever the Lua. An empty list of media is written as one, and a
 * webhook URL that is none is left out. [-1, +1] */
void ltlx_json_order(lua_State *L);

/* ltlx_message.c */

/* How a message is judged. */
typedef struct ltlx_judging {
  double now_s; /* wall clock, seconds since 1970 */
  tlx_policy policy;
} ltlx_judging;

/* Reads the message at `index`, a table, with raw access. Views live while the table does. Faults
 * of `extra` are added to `findings`: the core does not know Lua's tables. [-0, +0] */
void ltlx_read_message(lua_State *L, int index, tlx_message *message, tlx_findings *findings);

/* Reads and judges the message. Returns whether it may be sent. [-0, +0] */
bool ltlx_check_message(lua_State *L, int index, const ltlx_judging *judging,
                        tlx_findings *findings);

/* Judges the message and pushes the body of its request, and its warnings or nil; or returns false
 * and pushes nil, err. [-0, +2] */
bool ltlx_push_checked_body(lua_State *L, int index, const ltlx_judging *judging);

/* ltlx_extra.c */

/* Adds what cannot be sent of the table at `index`, which is the message's `extra`. [-0, +0] */
void ltlx_check_extra(lua_State *L, int index, tlx_findings *findings);

/* ltlx_rules.c */

/* Reads what its sender has decided about the rules: at `accept` a table of true by the names of
 * rules with a way out, true for a message that was judged already, or nil; at `accept + 1` whether
 * it is strict. Raises on what is none of these. [-0, +0] */
tlx_policy ltlx_read_policy(lua_State *L, int accept);

/* Pushes nil, err for what was refused here. Returns 2. [-0, +2] */
int ltlx_push_refusal(lua_State *L, const tlx_findings *findings);

/* Pushes a list of the warnings, or nil when there is none. [-0, +1] */
void ltlx_push_warnings(lua_State *L, const tlx_findings *findings);

/* ltlx_settings.c: where requests go and what every one of them carries. */

#define LTLX_N_HEADERS 4

/* The target's headers are those of the same struct. */
typedef struct ltlx_settings {
  bool is_loopback;
  tlx_str url;
  tlx_header headers[LTLX_N_HEADERS];
  tlx_target target;
} ltlx_settings;

/* Reads api_key, base_url, allow_http and user_agent of the table at `index`; raises when one is
 * unfit, never showing the key. Views live while what it pushed stays. [-0, +3] */
void ltlx_read_settings(lua_State *L, int index, ltlx_settings *settings);

/* Raises when it can be no header's value. [-0, +0] */
void ltlx_check_idempotency_key(lua_State *L, tlx_str key);

/* Another request than the POST of a message. */
typedef struct ltlx_inquiry {
  bool is_given;
  tlx_str method;   /* GET, if none is given; POST or DELETE */
  tlx_str resource; /* what the path has behind that of base_url, and a query */
  tlx_str names;    /* what its reply names; may be empty */
} ltlx_inquiry;

/* Reads the field `request` of the table at `index`; raises when it is unfit. Views live while what
 * it pushed stays. [-0, +2] */
ltlx_inquiry ltlx_read_inquiry(lua_State *L, int index);

/* ltlx_result.c: what `send` returns. */

typedef struct ltlx_answer {
  tlx_carriage carriage;
  bool was_stale, was_waiting;
  const tlx_reply *reply;
  tlx_str body;
  const char *cause;
  double now_s;
  tlx_str recipient; /* of the message; empty where it is not known */
  bool is_inquirys;  /* the answer to another request than that of a message */
} ltlx_answer;

/* Pushes message, info or nil, err; of an inquiry the whole answer for the message. A body that is
 * none of the service's is err.unreadable, whole and with whatever secrets it holds. Returns 2.
 * [-0, +2] */
int ltlx_push_answer(lua_State *L, const ltlx_answer *answer);

/* Of the body of a reply. */
#define LTLX_DEFAULT_MAX_RESPONSE_BYTES ((size_t)1 << 20)
#define LTLX_MOST_MAX_RESPONSE_BYTES ((size_t)1 << 30)

/* ltlx_clock.c */

/* Wall clock, seconds since 1970. */
double ltlx_now(void);

int ltlx_clock_now(lua_State *L);
int ltlx_clock_monotonic(lua_State *L);
int ltlx_clock_sleep(lua_State *L);

int ltlx_clock_forks(lua_State *L);
int ltlx_clock_seed(lua_State *L);

/* ltlx_files.c */

int ltlx_files_id(lua_State *L);
int ltlx_files_make(lua_State *L);

/* ltlx_processes.c */

int ltlx_processes_pid(lua_State *L);
int ltlx_processes_is_running(lua_State *L);
int ltlx_processes_terminated(lua_State *L);

/* ltlx_identity.c */

int ltlx_identity_digest(lua_State *L);
int ltlx_identity_new_claim(lua_State *L);
int ltlx_identity_process(lua_State *L);

/* The openers: each adds its functions to the table below the JSON instance on top. [-0, +0] */
void ltlx_open_client(lua_State *L);
void ltlx_open_exchange(lua_State *L);
void ltlx_open_files(lua_State *L);
void ltlx_open_guarded(lua_State *L);
void ltlx_open_postgres(lua_State *L);
void ltlx_open_request(lua_State *L);
void ltlx_open_rules(lua_State *L);
void ltlx_open_segments(lua_State *L);
void ltlx_open_signatures(lua_State *L);

#endif
