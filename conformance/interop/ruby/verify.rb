require 'json'
require 'jwt'
require 'net/http'

issuer, audience, max_age = ARGV # the last: seconds that keys are kept
max_age = Float(max_age || 300)

# The gem asks for the keys with each token: here they are fetched again when they are older than max_age.
fetched, set = nil, nil
keys = lambda do |_|
  now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  if fetched.nil? || now > fetched + max_age
    answer = Net::HTTP.get_response(URI("#{issuer}/.well-known/jwks.json"))
    answer.value # raises unless it is a 200
    set, fetched = JSON.parse(answer.body, symbolize_names: true), now
  end
  set
end

options = {
  algorithms: %w[ES256 RS256], jwks: keys,
  iss: issuer, verify_iss: true, aud: audience, verify_aud: true,
  required_claims: %w[exp iss aud sub client_id jti]
}
$stdin.each_line do |line|
  claims, header = JWT.decode(line.strip, nil, true, options)
  raise JWT::DecodeError, 'not an access token' unless header['typ'] == 'at+jwt'

  puts claims['sub']
rescue JWT::DecodeError => e
  puts "refused: #{e.message}"
ensure
  $stdout.flush
end
