-- What mod_sms needs of prosody.cfg.lua. The key may also come from TELNYX_API_KEY.

plugin_paths = { "/usr/local/lib/prosody/modules" }

modules_enabled = {
  "roster", "saslauth", "tls", "disco", "ping", "offline",
  "sms",
}

VirtualHost "example.org"
  sms_from = "+18445550001"
  sms_numbers = { juliet = "+18665550001" }
