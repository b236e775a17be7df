-- Throw-away certificates, made by the openssl program into a directory of their own.

local tls = {}

local CONFIG = [[
[req]
distinguished_name = name
[name]
[ca]
default_ca = authority
[authority]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[v_ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[v_here]
subjectAltName = IP:127.0.0.1, DNS:localhost
[v_elsewhere]
subjectAltName = DNS:wrong.example
]]

local SCRIPT = [[
set -e
exec >openssl.log 2>&1
: >index.txt
echo 01 >serial
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; }
root() {
  key "$1"
  openssl req -new -x509 -config openssl.cnf -extensions v_ca -key "$1.key" \
    -subj "/CN=wire spec $1" -days 30 -out "$1.pem"
}
leaf() { # name, authority, extensions, first day, last day
  key "$1"
  openssl req -new -config openssl.cnf -key "$1.key" -subj "/CN=wire spec $1" -out "$1.csr"
  openssl ca -batch -config openssl.cnf -extensions "$3" -cert "$2.pem" -keyfile "$2.key" \
    -startdate "$4" -enddate "$5" -in "$1.csr" -notext -out "$1.pem"
}
root ca
root stranger_ca
leaf good ca v_here 20200101000000Z 20491231235959Z
leaf wrong_name ca v_elsewhere 20200101000000Z 20491231235959Z
leaf expired ca v_here 20200101000000Z 20200102000000Z
leaf untrusted stranger_ca v_here 20200101000000Z 20491231235959Z
]]

local function write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

local function temporary_directory()
  local pipe = assert(io.popen("mktemp -d /tmp/telnyx-wire.XXXXXX"))
  local directory = pipe:read("*l")
  pipe:close()
  return assert(directory, "mktemp made no directory")
end

local function succeeded(status)
  return status == true or status == 0
end

local function log_of(directory)
  local file = io.open(directory .. "/openssl.log")
  return file and file:read("*a") or "no log"
end

--- Makes two authorities and four server certificates; `tls.remove` takes them away again.
---@return table certificates { directory, ca_file, stranger_ca_file }
function tls.make()
  local directory = temporary_directory()
  write(directory .. "/openssl.cnf", CONFIG)
  write(directory .. "/make.sh", SCRIPT)
  if not succeeded(os.execute("cd '" .. directory .. "' && sh make.sh")) then
    error("openssl failed: " .. log_of(directory))
  end
  return {
    directory = directory,
    ca_file = directory .. "/ca.pem",
    stranger_ca_file = directory .. "/stranger_ca.pem",
  }
end

--- The key and chain of one certificate: good, wrong_name, expired or untrusted.
---@param certificates table
---@param name string
---@return table parameters for ssl.newcontext
function tls.server_parameters(certificates, name)
  return {
    mode = "server",
    protocol = "any",
    options = "all",
    certificate = certificates.directory .. "/" .. name .. ".pem",
    key = certificates.directory .. "/" .. name .. ".key",
  }
end

---@param certificates table
function tls.remove(certificates)
  os.execute("rm -rf '" .. certificates.directory .. "'")
end

return tls
