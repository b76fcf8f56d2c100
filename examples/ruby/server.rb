# A function that answers HTTP requests at / and events at /invoke. It listens
# on 9000, as a custom runtime of Function Compute does.
require "webrick"

server = WEBrick::HTTPServer.new(
  Port: 9000,
  BindAddress: "0.0.0.0",
  AccessLog: [],
  Logger: WEBrick::Log.new($stderr, WEBrick::Log::WARN)
)

server.mount_proc "/" do |request, response|
  response.content_type = "text/plain"
  response.body = "hello from Ruby #{RUBY_VERSION}: #{request.request_method} #{request.path}\n"
end

server.mount_proc "/invoke" do |request, response|
  event = request.body.to_s
  response.content_type = "text/plain"
  response.body = "got #{event.bytesize} bytes: #{event}\n"
end

trap("TERM") { server.shutdown }
server.start
