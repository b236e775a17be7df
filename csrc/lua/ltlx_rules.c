#include <string.h>

#include "ltlx.h"
#include "tlx_sender.h"

/* ---- what a sender has decided ---- */

/* The name is at -2, its value on top. */
static void read_accepted(lua_State *L, tlx_policy *policy) {
  tlx_str name = { NULL, 0 };
  if (lua_type(L, -2) == LUA_TSTRING) name.p = lua_tolstring(L, -2, &name.n);
  tlx_rule_id rule = name.p ? tlx_rule_named(name) : TLX_N_RULES;
  if (rule == TLX_N_RULES) luaL_error(L, "accept: there is no rule %s", tlx_quote(name).text);
  if (lua_toboolean(L, -1)) tlx_policy_accept(policy, rule);
}

tlx_policy ltlx_read_policy(lua_State *L, int accept) {
  tlx_policy policy = { 0, false };
  if (lua_gettop(L) < accept) return policy;
  if (lua_istable(L, accept)) {
    lua_pushnil(L);
    while (lua_next(L, accept)) {
      read_accepted(L, &policy);
      lua_pop(L, 1);
    }
  } else if (lua_isboolean(L, accept)) {
    if (lua_toboolean(L, accept)) policy = tlx_policy_of_judged();
  } else if (!lua_isnoneornil(L, accept)) {
    luaL_argerror(L, accept, "a table of rules expected");
  }
  policy.is_strict = lua_toboolean(L, accept + 1);
  return policy;
}

/* ---- what is told ---- */

static void push_finding(lua_State *L, const tlx_finding *finding) {
  lua_createtable(L, 0, 8);
  ltlx_set_words(L, "rule", tlx_rules[finding->rule].name);
  ltlx_set_words(L, "code", tlx_rules[finding->rule].code);
  ltlx_set_words(L, "detail", finding->detail);
  ltlx_set_words(L, "advice", tlx_rules[finding->rule].advice);
  lua_createtable(L, 0, 1);
  ltlx_set_words(L, "pointer", finding->pointer);
  lua_setfield(L, -2, "source");
  if (finding->ruling == TLX_LET_THROUGH) ltlx_set_boolean(L, "let_through", true);
}

/* A list of those with such a verdict, or else of the others. [-0, +1] */
static void push_list(lua_State *L, const tlx_findings *findings, bool are_refused) {
  size_t n = tlx_findings_kept(findings);
  int n_pushed = 0;
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    if ((findings->list[i].ruling == TLX_REFUSED) != are_refused) continue;
    push_finding(L, &findings->list[i]);
    lua_rawseti(L, -2, ++n_pushed);
  }
}

static const tlx_finding *first_refused(const tlx_findings *findings) {
  const tlx_finding *finding = findings->list;
  while (finding->ruling != TLX_REFUSED) finding++;
  return finding;
}

int ltlx_push_refusal(lua_State *L, const tlx_findings *findings) {
  luaL_checkstack(L, 12, "no room for the findings");
  const tlx_finding *first = first_refused(findings);
  lua_pushnil(L);
  lua_createtable(L, 0, 16);
  ltlx_set_words(L, "outcome", tlx_outcome_name(TLX_OUTCOME_NOT_SENT));
  ltlx_set_words(L, "kind", tlx_kind_name(TLX_KIND_INVALID));
  ltlx_set_words(L, "source", "local");
  ltlx_set_boolean(L, "retryable", false);
  ltlx_set_words(L, "rule", tlx_rules[first->rule].name);
  ltlx_set_words(L, "code", tlx_rules[first->rule].code);
  ltlx_set_words(L, "detail", first->detail);
  ltlx_set_words(L, "pointer", first->pointer);
  ltlx_set_words(L, "advice", tlx_rules[first->rule].advice);
  push_list(L, findings, true);
  lua_setfield(L, -2, "errors");
  ltlx_push_warnings(L, findings);
  lua_setfield(L, -2, "warnings");
  return 2;
}

void ltlx_push_warnings(lua_State *L, const tlx_findings *findings) {
  size_t n = tlx_findings_kept(findings), i = 0;
  luaL_checkstack(L, 12, "no room for the findings");
  while (i < n && findings->list[i].ruling == TLX_REFUSED) i++;
  if (i == n) {
    lua_pushnil(L);
  } else {
    push_list(L, findings, false);
  }
}

/* ---- the rules themselves ---- */

static void push_rule(lua_State *L, const tlx_rule *rule) {
  lua_createtable(L, 0, 8);
  ltlx_set_words(L, "name", rule->name);
  ltlx_set_words(L, "verdict", rule->is_warning ? "warn" : "refuse");
  ltlx_set_boolean(L, "way_out", rule->has_way_out);
  ltlx_set_words(L, "code", rule->code);
  ltlx_set_words(L, "evidence", rule->evidence);
  ltlx_set_words(L, "what", rule->what);
  ltlx_set_words(L, "source", rule->source);
  ltlx_set_words(L, "advice", rule->advice);
}

static void push_rules(lua_State *L) {
  lua_createtable(L, TLX_N_RULES, 0);
  for (int i = 0; i < TLX_N_RULES; i++) {
    push_rule(L, &tlx_rules[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

/* core.sender_kind(sender) -> "long_code" | "toll_free" | "short_code" | "alphanumeric" |
 * "number_pool" */
static int l_sender_kind(lua_State *L) {
  tlx_str sender = { "", 0 };
  if (lua_type(L, 1) == LUA_TSTRING) sender.p = lua_tolstring(L, 1, &sender.n);
  lua_pushstring(L, tlx_sender_kind_names[tlx_sender_kind_of(sender)]);
  return 1;
}

/* core.is_idempotency_key(key) -> whether it can be sent as one */
static int l_is_idempotency_key(lua_State *L) {
  tlx_str key;
  key.p = luaL_checklstring(L, 1, &key.n);
  lua_pushboolean(L, tlx_is_idempotency_key(key));
  return 1;
}

void ltlx_open_rules(lua_State *L) {
  lua_pushcfunction(L, l_is_idempotency_key);
  lua_setfield(L, -3, "is_idempotency_key");
  lua_pushcfunction(L, l_sender_kind);
  lua_setfield(L, -3, "sender_kind");
  push_rules(L);
  lua_setfield(L, -3, "rules");
}
