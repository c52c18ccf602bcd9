/* Project file of the benchmark; handed down from the tools of the design (shared/bench/upstream.c), unchanged below. */
/* A cheap OpenAI-compatible upstream for measuring gateways: one thread, epoll, keep-alive.
   usage: upstream PORT [DELAY_MS] [CHUNKS] [TICK_MS]
   POST with "stream":true -> SSE of CHUNKS content chunks, one a tick; else one JSON reply after DELAY_MS.
   GET /count -> number of POSTs answered or begun. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#define MAXFD 65536
#define BUF 262144
typedef struct { char *in; int len; int chunks_left; long due; int busy; } conn;
static conn *cs[MAXFD];
static int active[MAXFD], nactive;
static long posts;
static int delay_ms, chunks = 50, tick_ms = 20;
static long now_ms(void){struct timespec t;clock_gettime(CLOCK_MONOTONIC,&t);return t.tv_sec*1000+t.tv_nsec/1000000;}
static const char *JSON="{\"id\":\"chatcmpl-up\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"bench-model\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Paris is the capital of France. It stands on the Seine.\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":14,\"total_tokens\":26}}";
static void wr(int fd,const char*p,int n){while(n>0){int k=send(fd,p,n,MSG_NOSIGNAL);if(k<0){if(errno==EAGAIN){usleep(100);continue;}return;}p+=k;n-=k;}}
static void wrchunk(int fd,const char*d){char b[1024];int dl=strlen(d);int n=sprintf(b,"%x\r\n%s\r\n",dl,d);wr(fd,b,n);}
static void reply_json(int fd){char b[1024];int n=sprintf(b,"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",strlen(JSON),JSON);wr(fd,b,n);}
static void add_active(int fd){active[nactive++]=fd;}
static void handle(int fd){
  conn*c=cs[fd];
  for(;;){
    if(c->busy)return;
    c->in[c->len]=0;
    char*e=strstr(c->in,"\r\n\r\n");
    if(!e)return;
    int cl=0,chunkedreq=0;
    for(char*h=c->in;h<e;h++){ if(*h=='\n'){ if(!strncasecmp(h+1,"content-length:",15))cl=atoi(h+16); if(!strncasecmp(h+1,"transfer-encoding: chunked",26))chunkedreq=1; if(!strncasecmp(h+1,"expect: 100",11))wr(fd,"HTTP/1.1 100 Continue\r\n\r\n",25);} }
    int hl=e-c->in+4;
    int total=hl+cl;
    if(chunkedreq){char*z=strstr(c->in+hl,"0\r\n\r\n");if(!z)return;total=z-c->in+5;}
    if(c->len<total)return;
    int post=!strncmp(c->in,"POST",4);
    char save=c->in[total];c->in[total]=0;
    int st=post&&(strstr(c->in+hl,"\"stream\":true")||strstr(c->in+hl,"\"stream\": true"));
    c->in[total]=save;
    if(post)posts++;
    if(!post){char body[64];int bl=sprintf(body,"{\"posts\":%ld}",posts);char b[256];int n=sprintf(b,"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",bl,body);wr(fd,b,n);}
    else if(st){const char*h="HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";wr(fd,h,strlen(h));c->chunks_left=chunks;c->busy=1;add_active(fd);
      wrchunk(fd,"data: {\"id\":\"chatcmpl-up\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"bench-model\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n");}
    else if(delay_ms>0){c->busy=2;c->due=now_ms()+delay_ms;add_active(fd);}
    else reply_json(fd);
    memmove(c->in,c->in+total,c->len-total);c->len-=total;
  }
}
static void tick(void){
  long t=now_ms();
  for(int i=0;i<nactive;){
    int fd=active[i];conn*c=cs[fd];
    if(!c||!c->busy){active[i]=active[--nactive];continue;}
    if(c->busy==2){ if(t>=c->due){reply_json(fd);c->busy=0;active[i]=active[--nactive];handle(fd);continue;} i++;continue;}
    if(c->chunks_left>0){c->chunks_left--;wrchunk(fd,"data: {\"id\":\"chatcmpl-up\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"bench-model\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"token \"},\"finish_reason\":null}]}\n\n");i++;}
    else{wrchunk(fd,"data: {\"id\":\"chatcmpl-up\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"bench-model\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":50,\"total_tokens\":62}}\n\n");wrchunk(fd,"data: [DONE]\n\n");wr(fd,"0\r\n\r\n",5);c->busy=0;active[i]=active[--nactive];handle(fd);}
  }
}
int main(int n,char**a){
  int port=atoi(a[1]); if(n>2)delay_ms=atoi(a[2]); if(n>3)chunks=atoi(a[3]); if(n>4)tick_ms=atoi(a[4]);
  struct rlimit rl={MAXFD,MAXFD};setrlimit(RLIMIT_NOFILE,&rl);signal(SIGPIPE,SIG_IGN);
  int s=socket(AF_INET,SOCK_STREAM|SOCK_NONBLOCK,0),one=1;setsockopt(s,SOL_SOCKET,SO_REUSEADDR,&one,sizeof one);
  struct sockaddr_in ad={.sin_family=AF_INET,.sin_port=htons(port),.sin_addr.s_addr=htonl(INADDR_LOOPBACK)};
  if(bind(s,(void*)&ad,sizeof ad)||listen(s,4096)){perror("bind");return 1;}
  int ep=epoll_create1(0);struct epoll_event ev={.events=EPOLLIN,.data.fd=s};epoll_ctl(ep,EPOLL_CTL_ADD,s,&ev);
  struct epoll_event evs[512];long last=now_ms();
  for(;;){
    int to=nactive?1:-1;
    int k=epoll_wait(ep,evs,512,to);
    for(int i=0;i<k;i++){int fd=evs[i].data.fd;
      if(fd==s){int c;while((c=accept4(s,0,0,SOCK_NONBLOCK))>=0){if(c>=MAXFD){close(c);continue;}setsockopt(c,IPPROTO_TCP,TCP_NODELAY,&one,sizeof one);if(!cs[c]){cs[c]=calloc(1,sizeof(conn));cs[c]->in=malloc(BUF);}cs[c]->len=0;cs[c]->busy=0;cs[c]->chunks_left=0;ev.events=EPOLLIN;ev.data.fd=c;epoll_ctl(ep,EPOLL_CTL_ADD,c,&ev);}continue;}
      conn*c=cs[fd];int r=recv(fd,c->in+c->len,BUF-1-c->len,0);
      if(r<=0){if(r<0&&errno==EAGAIN)continue;c->busy=0;for(int j=0;j<nactive;j++)if(active[j]==fd){active[j]=active[--nactive];break;}close(fd);continue;}
      c->len+=r;handle(fd);}
    long t=now_ms();
    if(nactive){ int due=0; if(t-last>=tick_ms){due=1;last=t;} if(due||delay_ms)tick(); }
    else last=t;
  }
}
