---@meta
--- What editors know of the tables that go in and come out. Never required.

---@class telnyx.message
---@field to string the recipient: E.164 or a short code; one a call
---@field from string|nil E.164, a short code, or 1 to 11 letters, digits and spaces
---@field messaging_profile_id string|nil required without `from`, and with an alphanumeric one
---@field text string|nil
---@field subject string|nil MMS only
---@field media_urls string[]|nil 1 to 10; makes it an MMS
---@field webhook_url string|nil
---@field webhook_failover_url string|nil
---@field use_profile_webhooks boolean|nil
---@field type "SMS"|"MMS"|nil
---@field auto_detect boolean|nil
---@field send_at string|nil ISO 8601 with zone, 5 minutes to 5 days ahead
---@field encoding "auto"|"gsm7"|"ucs2"|nil
---@field extra table|nil fields newer than this list, sent as they are

---@class telnyx.options: telnyx.call_options
---@field api_key string|nil default: TELNYX_API_KEY
---@field base_url string|nil default: TELNYX_BASE_URL, else https://api.telnyx.com/v2
---@field allow_http boolean|nil
---@field app string|nil added to the User-Agent
---@field ca_file string|nil
---@field proxy string|nil
---@field max_response_bytes integer|nil
---@field defaults telnyx.message|nil
---@field profiles table<string, table>|nil message fields and call options by name
---@field sender telnyx.sender|nil
---@field store telnyx.store|nil
---@field log fun(event: table)|nil

---@class telnyx.call_options
---@field timeout number|nil seconds for one attempt
---@field connect_timeout number|nil seconds
---@field deadline number|nil seconds for all attempts and waits
---@field retry telnyx.retry_options|false|nil
---@field max_parts integer|nil
---@field on_ucs2 "allow"|"refuse"|"smart"|nil

---@class telnyx.send_options: telnyx.call_options
---@field key string|nil never posted twice under it

---@class telnyx.run_options: telnyx.call_options
---@field concurrency integer|nil default 16
---@field rate number|nil messages a second
---@field burst number|nil
---@field rates table<string, number>|nil by kind of sender
---@field shared_pace table|nil an ngx.shared.DICT: all workers keep the rates together
---@field key fun(index: integer, message: table): string|false|nil
---@field on_result fun(index: integer, message: table|nil, info_or_err: table)|nil

---@class telnyx.sender one attempt, whatever carries it; it may serve several clients
---@field send fun(self, message: telnyx.message, limits: telnyx.limits): table|nil, table
---@field start (fun(self, message: table, limits: table, owner: any): table|nil, table|nil)|nil
---a pending
---@field step (fun(self, seconds: number): integer)|nil how many are in flight
---@field finished (fun(self): any)|nil the owner, as `start` got it, of the next that is done
---@field spawn (fun(self, body: fun()))|nil runs tasks on a scheduler of its own
---@field sleep (fun(self, seconds: number))|nil how to pause between attempts
---@field monotonic (fun(self): number)|nil a clock of its own, seconds
---@field fd (fun(self): integer|nil)|nil
---@field timeout (fun(self): number|nil)|nil
---@field close fun(self)|nil

---@class telnyx.limits
---@field timeout number|nil seconds
---@field connect_timeout number|nil seconds
---@field fresh boolean|nil do not use a kept-alive connection

---@class telnyx.store
---@field get fun(self, key: string): string|nil
---@field add fun(self, key: string, value: string): true|nil, string|nil
---@field set fun(self, key: string, value: string): true|nil, string|nil

---@class telnyx.sent the service's message object, nulls absent
---@field id string
---@field type string
---@field to { phone_number: string, status: string, carrier: string, line_type: string }[]
---@field from { phone_number: string, carrier: string, line_type: string }
---@field text string|nil
---@field encoding string|nil
---@field parts integer|nil
---@field errors table[]

---@class telnyx.info
---@field outcome "accepted"
---@field status integer
---@field request_id string|nil
---@field ratelimit telnyx.ratelimit|nil
---@field segments telnyx.segments|nil
---@field drift integer|nil parts that the service counted more than we
---@field warnings { code: string, title: string, detail: string }[]|nil
---@field attempts telnyx.attempt[]
---@field replayed boolean|nil from the store of keys, nothing was posted
---@field store_error string|nil the outcome could not be recorded under its key

---@class telnyx.ratelimit
---@field limit integer|nil
---@field remaining integer|nil
---@field reset number|nil seconds from now

---@class telnyx.attempt
---@field outcome string
---@field seconds number
---@field status integer|nil
---@field cause string|nil
---@field code string|nil
---@field stale boolean|nil
---@field wait number|nil seconds until the next one

---@class telnyx.segments
---@field encoding "GSM-7"|"UCS-2"|"ASCII"
---@field parts integer
---@field formula_parts integer
---@field units integer septets or UTF-16 code units
---@field characters integer code points
---@field limit integer units a part holds at this length
---@field remaining integer units free in the last part
---@field forced_by { character: string, codepoint: integer, byte: integer, index: integer }|nil
---@field replaced integer|nil
---@field split string[]|nil
---@field unencodable telnyx.outsider[]|nil
---@field advice telnyx.saving[]|nil what would take fewer parts, best first

---@class telnyx.outsider a character outside GSM-7
---@field character string
---@field codepoint integer
---@field count integer
---@field byte integer of the first, from 1
---@field replacement string|nil the service's substitution
---@field letter string|nil the Latin letter without its accent

---@class telnyx.saving
---@field change "replace"|"remove"|"smart"|"plain"
---@field count integer characters concerned
---@field parts integer afterwards
---@field saves integer parts
---@field encoding string afterwards
---@field text string a sentence for a person
---@field character string|nil
---@field codepoint integer|nil
---@field replacement string|nil
